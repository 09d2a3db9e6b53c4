"""A journey through a running service: registration and files over HTTP, then commands."""

import hashlib
import re
from pathlib import Path

import pytest
import requests

from tests.service import Service, flask, inherited_environment, running_service

# URLs, commands and tables of these features.
requires = ('auth', 'files')

pytestmark = pytest.mark.servers

SIZE_BYTES = 20 * 1024 * 1024  # more than any buffer
ACCOUNT = {'username': 'ada', 'email': 'ada@example.com', 'password': 'correct horse battery'}


def test_clients_and_operators_use_one_service(tmp_path: Path) -> None:
    migrate_an_empty_database(tmp_path)
    # A single test, because pytest may run each test in another process, which would start its own
    # service.
    with running_service(tmp_path) as service:
        register_upload_download_and_log_out(service, file_of(SIZE_BYTES, tmp_path / 'upload.bin'))
        create_admin_while_the_service_runs(service)
        switch_maintenance_on_and_off(service)


def migrate_an_empty_database(folder: Path) -> None:
    env = {
        **inherited_environment(),
        'APP_ENV': 'development',
        'DATABASE_URL': f'sqlite:///{folder}/new.sqlite',
    }

    flask(env, 'db', 'upgrade')

    assert flask(env, 'users', 'list', '--json').strip() == '[]'


def file_of(size: int, path: Path) -> Path:
    """Write a file of `size` bytes in which all ranges differ."""
    with path.open('wb') as file:
        for number in range(size // 1024):
            file.write(hashlib.shake_128(number.to_bytes(4)).digest(1024))
    return path


def register_upload_download_and_log_out(service: Service, upload: Path) -> None:
    api = f'{service.url}/api/v1'
    client = requests.Session()

    registered = client.post(f'{api}/auth/accounts', json=ACCOUNT)
    assert registered.status_code == 202
    early = client.post(
        f'{api}/auth/sessions', json={'user_or_email': 'ada', 'password': ACCOUNT['password']}
    )
    assert early.status_code == 403
    assert early.json()['data'] == {
        'email': ['Not verified yet: send the PIN that you received by mail']
    }

    [pin] = re.findall(r'\b\d{6}\b', service.mails()[-1])
    confirmed = client.put(
        f'{api}/auth/verifications',
        json={'email': 'ada@example.com', 'pin': pin, 'password': ACCOUNT['password']},
    )
    assert confirmed.status_code == 201

    login = client.post(
        f'{api}/auth/sessions',
        json={'user_or_email': 'Ada@Example.com', 'password': ACCOUNT['password']},
    )
    assert login.status_code == 201
    client.headers['Authorization'] = f'Bearer {login.json()["data"]["token"]}'

    with upload.open('rb') as file:
        stored = client.post(f'{api}/files', params={'name': 'upload.bin'}, data=file)
    assert stored.status_code == 201, stored.text
    assert stored.json()['data']['size'] == SIZE_BYTES

    [listed] = client.get(f'{api}/files').json()['data']['items']
    assert listed == stored.json()['data']

    start, stop = SIZE_BYTES // 2 - 7, SIZE_BYTES // 2 + 4096
    content = f'{api}/files/{listed["id"]}/content'
    part = client.get(content, headers={'Range': f'bytes={start}-{stop - 1}'})
    assert part.status_code == 206
    assert part.headers['Content-Range'] == f'bytes {start}-{stop - 1}/{SIZE_BYTES}'
    with upload.open('rb') as file:
        file.seek(start)
        assert part.content == file.read(stop - start)

    whole = hashlib.sha256()
    with client.get(content, stream=True) as download:
        for block in download.iter_content(1024 * 1024):
            whole.update(block)
    assert whole.hexdigest() == listed['sha256']

    assert client.delete(f'{api}/auth/sessions/current').status_code == 200
    # Enough requests to reach both workers.
    assert {client.get(f'{api}/users/me').status_code for _ in range(20)} == {401}


def create_admin_while_the_service_runs(service: Service) -> None:
    printed = service.flask('create-user', 'grace', '--email', 'grace@example.com', '--admin')
    password = printed.split('Password: ')[1].strip()

    login = requests.post(
        f'{service.url}/api/v1/auth/sessions',
        json={'user_or_email': 'grace', 'password': password},
        timeout=10,
    )

    assert login.json()['data']['user']['roles'] == ['admin', 'member']


def switch_maintenance_on_and_off(service: Service) -> None:
    service.flask('maintenance', 'on', '--reason', 'Moving', '--until', '+30m')
    try:
        closed = requests.get(f'{service.url}/api/v1/users/me', timeout=10)
        health = requests.get(f'{service.url}/healthz', timeout=10)
    finally:
        service.flask('maintenance', 'off')

    assert closed.json() == {'status': 'error', 'message': 'Moving', 'code': 503}
    assert 1700 < int(closed.headers['Retry-After']) <= 1800
    assert health.status_code == 200
