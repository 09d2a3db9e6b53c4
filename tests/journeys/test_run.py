"""Requests and tasks of a service that `flask run` has started."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.databases import prepared_database
from tests.separate_app import migrate
from tests.service import BIN, ROOT, free_port, is_serving, wait_for

# URLs, commands and tables of these features.
requires = ('auth',)

ACCOUNT = {'username': 'ada', 'email': 'ada@example.com', 'password': 'correct horse battery'}


@pytest.fixture
def database_url(tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a migrated database."""
    with prepared_database('sqlite', 'run', tmp_path, migrate) as url:
        yield url


@pytest.mark.slow('starts `flask run`')
def test_serves_a_request_and_sends_its_mail(tmp_path: Path, database_url: str) -> None:
    port = free_port()
    env = {
        **{name: os.environ[name] for name in ('PATH', 'HOME', 'TMPDIR') if name in os.environ},
        'APP_ENV': 'development',
        'DATABASE_URL': database_url,
        'STORAGE_URL': f'file://{tmp_path}/storage',
        'MAIL_URL': f'file://{tmp_path}/mail',
    }
    command = [str(BIN / 'flask'), 'run', '--port', str(port)]
    # Background processes of a shell, and their child processes, ignore SIGINT. Restore the default
    # for the service.
    handler = signal.signal(signal.SIGINT, signal.SIG_DFL)
    with (tmp_path / 'log').open('wb') as log:
        server = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
    signal.signal(signal.SIGINT, handler)
    try:
        url = f'http://127.0.0.1:{port}'
        wait_for(lambda: is_serving(server, url, tmp_path / 'log'))

        answer = requests.post(f'{url}/api/v1/auth/accounts', json=ACCOUNT, timeout=10)

        assert answer.status_code == 202
        wait_for(lambda: any((tmp_path / 'mail').glob('*.eml')))
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(20)
        finally:
            server.kill()
            server.wait()
    # The code is not 0 if the process was killed or left a child process.
    assert server.returncode == 0
