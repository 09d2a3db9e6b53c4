"""`flask run` is the whole service: it answers, and does what was left for later."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
import requests

from tests.service import BIN, ROOT, flask, free_port, is_serving, wait_for

ACCOUNT = {'username': 'ada', 'email': 'ada@example.com', 'password': 'correct horse battery'}


@pytest.mark.slow('starts `flask run`')
def test_a_mail_is_sent_beside_the_server_that_answers(tmp_path: Path) -> None:
    port = free_port()
    env = {
        **{name: os.environ[name] for name in ('PATH', 'HOME', 'TMPDIR') if name in os.environ},
        'APP_ENV': 'development',
        'DATABASE_URL': f'sqlite:///{tmp_path}/run.sqlite',
        'STORAGE_URL': f'file://{tmp_path}/storage',
        'MAIL_URL': f'file://{tmp_path}/mail',
    }
    flask(env, 'db', 'upgrade')
    command = [str(BIN / 'flask'), 'run', '--port', str(port)]
    # Where the tests run in the background, a shell had them ignore it, and what they start too.
    ours = signal.signal(signal.SIGINT, signal.SIG_DFL)
    with (tmp_path / 'log').open('wb') as log:
        server = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
    signal.signal(signal.SIGINT, ours)
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
    # It has ended by itself, and those beside it with it.
    assert server.returncode == 0
