"""Generated requests, good and bad, against `openapi.json`: no server error, nothing undocumented.

A short run is in CI; `make soak` runs 20,000 cases and more (`FUZZ_EXAMPLES`).

Schemathesis has two phases. `coverage` sends every wrong value of every parameter: 1,700 requests,
12 CPU seconds. `fuzzing` sends random requests. CI runs `coverage` without a login and as an admin:
these reach the authentication of every route, and every handler. `make soak` runs it as every
kind of caller.
"""

import os
import re
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.service import BIN, Service, running_service

pytestmark = [pytest.mark.servers, pytest.mark.timeout(3600)]

EXAMPLES = os.environ.get('FUZZ_EXAMPLES', '3')
IS_LONG = 'FUZZ_EXAMPLES' in os.environ

WHO = ('nobody', 'unverified', 'disabled', 'member', 'admin', 'key')
SCOPES = [
    'files:read', 'files:write', 'profile:read', 'profile:write', 'roles:read', 'roles:write',
    'users:delete', 'users:invite', 'users:read', 'users:write',
]  # fmt: skip

# These may end the session that the others need; they are tried last, each with its own.
ENDING = ('session_delete', 'session_delete_current', 'user_me_delete', 'user_delete')


@pytest.fixture(scope='module')
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = {'RATELIMIT_ENABLED': 'false', 'AUTH_HASH_MEMORY_KIB': '8', 'AUTH_HASH_ROUNDS': '1'}
    with running_service(tmp_path_factory.mktemp('service'), **settings) as service:
        # There are two admins, so that one who is deleted is not the last.
        for name, *options in (('ada', '--admin'), ('eve', '--admin'), ('bob',)):
            service.flask('create-user', name, '--email', f'{name}@example.com', *options)
        yield service


def post(service: Service, path: str, body: Any, token: str = '') -> Any:
    """Send a request; return what it was answered."""
    headers = {'Authorization': f'Bearer {token}'} if token else {}
    url = f'{service.url}/api/v1{path}'
    return requests.post(url, json=body, headers=headers, timeout=10).json()['data']


def token_of(service: Service, who: str) -> str:
    """Return the token of a fresh login, with a fresh password."""
    name = f'{who}{os.urandom(4).hex()}'
    role = [] if who in ('member', 'disabled') else ['--admin']
    printed = service.flask('create-user', name, '--email', f'{name}@example.com', *role)
    login = {'user_or_email': name, 'password': printed.split('Password: ')[1].strip()}
    token: str = post(service, '/auth/sessions', login)['token']
    if who == 'disabled':
        service.flask('users', 'disable', name)
    return token


def authorization_of(service: Service, who: str) -> str | None:
    """Return what somebody of a kind shows, as far as they have anything to show."""
    if who == 'nobody':
        return None
    if who == 'unverified':
        # A registration brings no token; all that they have is their password.
        name, password = f'waits{os.urandom(4).hex()}', 'Analytical engine, 1843'
        account = {'username': name, 'email': f'{name}@example.com', 'password': password}
        post(service, '/auth/accounts', account)
        return f'Basic {b64encode(f"{name}:{password}".encode()).decode()}'
    token = token_of(service, who)
    if who == 'key':
        wanted = {'name': 'all', 'scopes': SCOPES}
        token = post(service, '/auth/keys', wanted, token)['key']
    return f'Bearer {token}'


def phases(who: str) -> str:
    """Return the phases that run as a kind of caller."""
    return 'examples,coverage,fuzzing' if IS_LONG or who in ('nobody', 'admin') else 'fuzzing'


def fuzz(
    service: Service, authorization: str | None, phases: str, *options: str
) -> tuple[int, str]:
    """Run schemathesis (all checks: its default); return how many cases it made, and its words."""
    command = [
        str(BIN / 'schemathesis'),
        '--config-file', str(Path(__file__).with_name('schemathesis.toml')),
        'run', f'{service.url}/api/v1/openapi.json',
        '--mode', 'all', '--phases', phases,
        '-n', EXAMPLES, '--continue-on-failure', '--generation-allow-x00', 'false',
        '--generation-database', 'none', '--no-color', '--warnings', 'off', *options,
    ]  # fmt: skip
    if authorization:
        command += ['-H', f'Authorization: {authorization}']
    env = {**service.env, 'SCHEMATHESIS_HOOKS': str(Path(__file__).with_name('hooks.py'))}
    done = subprocess.run(
        command, cwd=service.var, env=env, capture_output=True, text=True, check=False
    )
    counted = re.search(r'([\d,]+) generated', done.stdout)
    assert counted, done.stdout + done.stderr
    said = '\n'.join(line[:160] for line in done.stdout.splitlines())
    assert done.returncode == 0, said
    return int(counted[1].replace(',', '')), done.stdout


def is_alive(service: Service, authorization: str) -> bool:
    """Tell whether a token is still good: a run on a dead one would prove nothing."""
    headers = {'Authorization': authorization}
    return requests.get(f'{service.url}/api/v1/users/me', headers=headers, timeout=10).ok


@pytest.mark.parametrize('who', WHO)
def test_no_generated_request_is_answered_wrongly(service: Service, who: str) -> None:
    shown = authorization_of(service, who)
    kept = [word for name in ENDING for word in ('--exclude-operation-id', name)] if shown else []

    cases, _ = fuzz(service, shown, phases(who), *kept)

    assert cases >= 36 * int(EXAMPLES) // 2
    assert is_alive(service, shown or '') == (who in ('member', 'admin', 'key'))
    print(f'{who}: {cases} cases')  # noqa: T201
    assert 'Traceback' not in (service.var / 'service.log').read_text()


@pytest.mark.parametrize('operation', ENDING)
def test_what_ends_the_session_is_answered_right_too(service: Service, operation: str) -> None:
    shown = f'Bearer {token_of(service, "admin")}'

    fuzz(service, shown, phases('admin'), '--include-operation-id', operation)
