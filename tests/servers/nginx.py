"""nginx with the configuration `deploy/nginx.conf`, in front of the services of a test."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..core.server.serving import ROOT, free_port, running

SERVER = 'server api:8000 max_fails=0;'


@contextmanager
def proxy(
    behind: int | Sequence[int], folder: Path, own: int = 0, read_timeout: str = '60s'
) -> Iterator[int]:
    """Run nginx in front of the ports of one or more services; yield its port.

    :param folder: the folder for the files of nginx, instead of the paths in the container image.
    :param own: the port on which nginx responds to its own health check.
    :param read_timeout: how long nginx waits for the service, by default as in production. Only
        tests of this limit set a short one, because a busy machine exceeds it.
    """
    nginx = shutil.which('nginx', path=f'{os.environ["PATH"]}:/usr/sbin')
    assert nginx, 'this test needs nginx'
    port = free_port()
    ports = [behind] if isinstance(behind, int) else behind
    servers = [SERVER.replace('api:8000', f'127.0.0.1:{each}') for each in ports]
    places = {
        '/tmp/': f'{folder}/',
        SERVER: ' '.join(servers),
        'listen 8080': f'listen 127.0.0.1:{port}',
        '127.0.0.1:8081': f'127.0.0.1:{own or free_port()}',
        '/srv/var/': f'{folder}/var/',
        '/dev/stdout': f'{folder}/access.log',
        'error_log stderr': f'error_log {folder}/error.log',
        'proxy_read_timeout 60s': f'proxy_read_timeout {read_timeout}',
    }
    text = (ROOT / 'deploy' / 'nginx.conf').read_text()
    for original, replacement in places.items():
        assert original in text
        text = text.replace(original, replacement)
    (folder / 'nginx.conf').write_text(text)
    # If root starts nginx, its workers would by default run as a user who cannot read the folder.
    user = ' user root;' if os.geteuid() == 0 else ''
    command = [nginx, '-p', str(folder), '-c', 'nginx.conf', '-g', f'daemon off;{user}']
    with running(command, port):
        yield port
