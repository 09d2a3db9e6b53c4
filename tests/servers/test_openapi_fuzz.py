"""Generated valid and invalid requests: no server error, and no undocumented response.

CI makes a short run; `make soak` runs 20,000 cases and more (`FUZZ_EXAMPLES`).

Schemathesis has two phases. `coverage` sends all wrong values of all parameters: 1,700 requests, 12
CPU seconds. `fuzzing` sends random requests. CI runs `coverage` without a login and as an admin:
these requests reach the authentication and the handler of each route. `make soak` runs `coverage`
as all kinds of callers. Each caller needs a process of schemathesis, which takes 10 CPU seconds
before its first request. So CI leaves out the callers whose requests are all rejected.
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

# URLs, commands and tables of these features.
requires = ('auth',)

pytestmark = [pytest.mark.servers, pytest.mark.timeout(3600)]

EXAMPLES = os.environ.get('FUZZ_EXAMPLES', '3')
IS_LONG = 'FUZZ_EXAMPLES' in os.environ

ALL_CALLERS = ('nobody', 'unverified', 'disabled', 'member', 'admin', 'key')
CALLERS = ALL_CALLERS if IS_LONG else ('nobody', 'admin', 'key')
SCOPES = [
    'files:read', 'files:write', 'profile:read', 'profile:write', 'roles:read', 'roles:write',
    'users:delete', 'users:invite', 'users:read', 'users:write',
]  # fmt: skip

# These operations may end the session of the caller, so each gets its own session.
ENDING = ('deleteSession', 'deleteCurrentSession', 'deleteCurrentUser', 'deleteUser')


@pytest.fixture(scope='module')
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = {'RATELIMIT_ENABLED': 'false', 'AUTH_HASH_MEMORY_KIB': '8', 'AUTH_HASH_ROUNDS': '1'}
    with running_service(tmp_path_factory.mktemp('service'), **settings) as service:
        # Two admins, because the last one cannot be deleted.
        for name, *options in (('ada', '--admin'), ('eve', '--admin'), ('bob',)):
            service.flask('create-user', name, '--email', f'{name}@example.com', *options)
        yield service


def post(service: Service, path: str, body: Any, token: str = '') -> Any:
    """Send a request; return the data of the response."""
    headers = {'Authorization': f'Bearer {token}'} if token else {}
    url = f'{service.url}/api/v1{path}'
    return requests.post(url, json=body, headers=headers, timeout=10).json()['data']


def token_of(service: Service, caller: str) -> str:
    """Create a user and log in; return the token."""
    name = f'{caller}{os.urandom(4).hex()}'
    role = [] if caller in ('member', 'disabled') else ['--admin']
    printed = service.flask('create-user', name, '--email', f'{name}@example.com', *role)
    login = {'user_or_email': name, 'password': printed.split('Password: ')[1].strip()}
    token: str = post(service, '/auth/sessions', login)['token']
    if caller == 'disabled':
        service.flask('users', 'disable', name)
    return token


def authorization_of(service: Service, caller: str) -> str | None:
    """Return the `Authorization` header for a kind of caller, or None."""
    if caller == 'nobody':
        return None
    if caller == 'unverified':
        # A client with an unconfirmed registration has no token, only a password.
        name, password = f'waits{os.urandom(4).hex()}', 'Analytical engine, 1843'
        account = {'username': name, 'email': f'{name}@example.com', 'password': password}
        post(service, '/auth/accounts', account)
        return f'Basic {b64encode(f"{name}:{password}".encode()).decode()}'
    token = token_of(service, caller)
    if caller == 'key':
        body = {'name': 'all', 'scopes': SCOPES}
        token = post(service, '/auth/keys', body, token)['key']
    return f'Bearer {token}'


def phases(caller: str) -> str:
    """Return the phases of schemathesis to run as this kind of caller."""
    return 'examples,coverage,fuzzing' if IS_LONG or caller in ('nobody', 'admin') else 'fuzzing'


def fuzz(
    service: Service, authorization: str | None, phases: str, *options: str
) -> tuple[int, str]:
    """Run schemathesis with all of its checks; return the number of cases and the output."""
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
    output = '\n'.join(line[:160] for line in done.stdout.splitlines())
    assert done.returncode == 0, output
    return int(counted[1].replace(',', '')), done.stdout


def is_valid(service: Service, authorization: str) -> bool:
    """Return whether the service accepts a token: a run without login would test little."""
    headers = {'Authorization': authorization}
    return requests.get(f'{service.url}/api/v1/users/me', headers=headers, timeout=10).ok


@pytest.mark.parametrize('caller', CALLERS)
def test_generated_requests_return_documented_responses(service: Service, caller: str) -> None:
    authorization = authorization_of(service, caller)
    excluded = (
        [word for name in ENDING for word in ('--exclude-operation-id', name)]
        if authorization
        else []
    )

    cases, _ = fuzz(service, authorization, phases(caller), *excluded)

    assert cases >= 36 * int(EXAMPLES) // 2
    assert is_valid(service, authorization or '') == (caller in ('member', 'admin', 'key'))
    print(f'{caller}: {cases} cases')  # noqa: T201
    assert 'Traceback' not in (service.var / 'service.log').read_text()


@pytest.mark.parametrize('operation', ENDING if IS_LONG else ENDING[1:3])
def test_session_ending_operations_return_documented_responses(
    service: Service, operation: str
) -> None:
    authorization = f'Bearer {token_of(service, "admin")}'

    fuzz(service, authorization, phases('admin'), '--include-operation-id', operation)
