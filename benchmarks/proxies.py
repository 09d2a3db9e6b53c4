"""nginx in two roles: as proxy of the service, and alone, serving the same files from disk.

Both use `deploy/nginx.conf`.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.errors import Failed
from benchmarks.pinning import on_other_cores
from benchmarks.servers import ROOT, Server, end, free_port

# The second role: a server of the same nginx that sends the files without authorization by the
# service.
ALONE = """
    server {{
        listen 127.0.0.1:{port};
        location / {{
            root {files};
        }}
    }}
}}
"""


@contextmanager
def proxying(server: Server, files: Path, folder: Path) -> Iterator[tuple[str, str]]:
    """Run nginx; yield the URL of the proxy for `server`, and the URL that serves `files` alone."""
    nginx = shutil.which('nginx', path=f'{os.environ["PATH"]}:/usr/sbin')
    if not nginx:
        raise Failed('this scenario needs nginx')
    folder.mkdir(parents=True, exist_ok=True)
    before, alone = free_port(), free_port()
    places = {
        '/tmp/': f'{folder}/',
        'api:8000': f'127.0.0.1:{server.port}',
        'listen 8080': f'listen 127.0.0.1:{before}',
        '127.0.0.1:8081': f'127.0.0.1:{free_port()}',
        '/srv/var/': f'{files}/',
    }
    text = (ROOT / 'deploy' / 'nginx.conf').read_text()
    for theirs, ours in places.items():
        text = text.replace(theirs, ours)
    text = text.rstrip().removesuffix('}') + ALONE.format(port=alone, files=files / 'storage')
    (folder / 'nginx.conf').write_text(text)
    user = ' user root;' if os.geteuid() == 0 else ''
    command = [nginx, '-p', str(folder), '-c', 'nginx.conf', '-g', f'daemon off;{user}']
    with (folder / 'nginx.log').open('wb') as log:
        process = subprocess.Popen(on_other_cores(command), stdout=log, stderr=log)
    try:
        _wait_until_up(alone, folder / 'nginx.log')
        yield f'http://127.0.0.1:{before}', f'http://127.0.0.1:{alone}'
    finally:
        end(process)


def _wait_until_up(port: int, log: Path) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if not probe.connect_ex(('127.0.0.1', port)):
                return
        time.sleep(0.05)
    raise Failed(f'nginx did not start:\n{log.read_text()[-1000:]}')
