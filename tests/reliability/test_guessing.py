"""Attack on one account with very many passwords: few of them are verified (ASVS 6.3.1)."""

import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from .accounts import PASSWORD, call, create_users, log_in, run_concurrently
from .harness import IS_LONG, ServiceUnderTest, figure, service_under_test

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]

ATTEMPTS = 1000 if IS_LONG else 200
BURST = 100
LIMIT = 20  # in 15 minutes, for both login names together: docs/security.md
CASES = ['sqlite', 'postgresql'] if IS_LONG else ['postgresql']

# Spellings of the username and of the email address of one account.
LOGINS = (
    'ada', 'ADA', 'Ada', 'ada@example.com', 'ADA@EXAMPLE.COM',
    'a\N{FULLWIDTH LATIN SMALL LETTER D}a@example.com',
)  # fmt: skip


def attempt(service: ServiceUnderTest, number: int) -> Any:
    """Try to log in with a wrong password and a forged IP address."""
    forged = f'{random.randrange(1, 224)}.{number % 256}.{number // 256}.9'
    body = {'user_or_email': LOGINS[number % len(LOGINS)], 'password': f'guess {number}'}
    return call(
        service, 'POST', '/auth/sessions', body,
        X_Forwarded_For=forged, X_Real_IP=forged, Forwarded=f'for={forged}',
    )  # fmt: skip


@pytest.mark.parametrize('database', CASES)
def test_at_most_20_of_many_attempts_are_verified(tmp_path: Path, database: str) -> None:
    with service_under_test(tmp_path, database, AUTH_HASH_MEMORY_KIB='1024') as service:
        create_users(service, 'ada', 'eve')
        device = log_in(service, 'ada').json()['data']['device']
        answers = []
        for start in range(0, ATTEMPTS, BURST):
            answers += run_concurrently(
                *[partial(attempt, service, start + n) for n in range(BURST)]
            )
            # These successful logins, of another user and on a known device, reset no counter.
            assert log_in(service, 'eve').status_code == 201
            assert log_in(service, 'ada', device=device).status_code == 201

        verified = [a.status_code for a in answers].count(401)
        figure(f'{database}: {ATTEMPTS} attempts in bursts of {BURST}: {verified} verified')
        assert {a.status_code for a in answers} <= {401, 429, 503}
        assert verified <= LIMIT
        rejected = next(a for a in answers if a.status_code == 429)
        assert set(rejected.json()['data']) == {'attempts'}
        assert 0 < int(rejected.headers['Retry-After']) <= 15 * 60
        # The account is locked for unknown devices, but not for a known one.
        assert log_in(service, 'ada', PASSWORD).status_code == 429
        assert log_in(service, 'ada', PASSWORD, device=device).status_code == 201
