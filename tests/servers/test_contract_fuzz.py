"""Generated requests, good and bad, against `openapi.json`: no server error, nothing undocumented.

A short run is in CI; `make soak` runs 20,000 cases and more (`FUZZ_EXAMPLES`).
"""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.service import BIN, Service, running_service

pytestmark = [pytest.mark.servers, pytest.mark.timeout(3600)]

EXAMPLES = os.environ.get('FUZZ_EXAMPLES', '20')

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


def token_of(service: Service, name: str) -> str:
    """Return the token of a fresh login, with a fresh password."""
    email = f'{name}{os.urandom(4).hex()}'
    role = ['--admin'] if name == 'admin' else []
    printed = service.flask('create-user', email, '--email', f'{email}@example.com', *role)
    login = {'user_or_email': email, 'password': printed.split('Password: ')[1].strip()}
    answer = requests.post(f'{service.url}/api/v1/auth/sessions', json=login, timeout=10)
    token: str = answer.json()['data']['token']
    return token


def fuzz(service: Service, token: str | None, *options: str) -> tuple[int, str]:
    """Run schemathesis (all checks: its default); return how many cases it made, and its words."""
    command = [
        str(BIN / 'schemathesis'),
        '--config-file', str(Path(__file__).with_name('schemathesis.toml')),
        'run', f'{service.url}/api/v1/openapi.json',
        '--mode', 'all', '--phases', 'examples,coverage,fuzzing',
        '-n', EXAMPLES, '--continue-on-failure', '--generation-allow-x00', 'false',
        '--generation-database', 'none', '--no-color', '--warnings', 'off', *options,
    ]  # fmt: skip
    if token:
        command += ['-H', f'Authorization: Bearer {token}']
    done = subprocess.run(
        command, cwd=service.var, env=service.env, capture_output=True, text=True, check=False
    )
    counted = re.search(r'([\d,]+) generated', done.stdout)
    assert counted, done.stdout + done.stderr
    said = '\n'.join(line[:160] for line in done.stdout.splitlines())
    assert done.returncode == 0, said
    return int(counted[1].replace(',', '')), done.stdout


def is_alive(service: Service, token: str) -> bool:
    """Tell whether a token is still good: a run on a dead one would prove nothing."""
    headers = {'Authorization': f'Bearer {token}'}
    return requests.get(f'{service.url}/api/v1/users/me', headers=headers, timeout=10).ok


@pytest.mark.parametrize('who', ['nobody', 'member', 'admin'])
def test_no_generated_request_is_answered_wrongly(service: Service, who: str) -> None:
    token = None if who == 'nobody' else token_of(service, who)
    kept = [word for name in ENDING for word in ('--exclude-operation-id', name)] if token else []

    cases, _ = fuzz(service, token, *kept)

    assert cases >= 36 * int(EXAMPLES) // 2
    assert token is None or is_alive(service, token)
    print(f'{who}: {cases} cases')  # noqa: T201
    assert 'Traceback' not in (service.var / 'service.log').read_text()


@pytest.mark.parametrize('operation', ENDING)
def test_what_ends_the_session_is_answered_right_too(service: Service, operation: str) -> None:
    fuzz(service, token_of(service, 'admin'), '--include-operation-id', operation)
