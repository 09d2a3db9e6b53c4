"""Guessing at one account, by all means: how many guesses are looked at at all (ASVS 6.3.1)."""

import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from .accounts import PASSWORD, call, log_in, make_users, run_concurrently
from .harness import IS_LONG, Attacked, attacked, figure

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]

ATTEMPTS = 1000 if IS_LONG else 200
BURST = 100
LIMIT = 20  # wrong passwords of two names of one account in 15 minutes: docs/security.md
CASES = ['sqlite', 'postgresql'] if IS_LONG else ['postgresql']

# All of these are one account.
LOGINS = (
    'ada', 'ADA', 'Ada', 'ada@example.com', 'ADA@EXAMPLE.COM',
    'a\N{FULLWIDTH LATIN SMALL LETTER D}a@example.com',
)  # fmt: skip


def attempt(service: Attacked, number: int) -> Any:
    """Guess once, from what claims to be somewhere else each time."""
    forged = f'{random.randrange(1, 224)}.{number % 256}.{number // 256}.9'
    body = {'user_or_email': LOGINS[number % len(LOGINS)], 'password': f'guess {number}'}
    return call(
        service, 'POST', '/auth/sessions', body,
        X_Forwarded_For=forged, X_Real_IP=forged, Forwarded=f'for={forged}',
    )  # fmt: skip


@pytest.mark.parametrize('database', CASES)
def test_ten_of_many_attempts_are_looked_at(tmp_path: Path, database: str) -> None:
    with attacked(tmp_path, database, AUTH_HASH_MEMORY_KIB='1024') as service:
        make_users(service, 'ada', 'eve')
        device = log_in(service, 'ada').json()['data']['device']
        answers = []
        for start in range(0, ATTEMPTS, BURST):
            answers += run_concurrently(
                *[partial(attempt, service, start + n) for n in range(BURST)]
            )
            # The success of another, and one of one's own elsewhere, reset nothing.
            assert log_in(service, 'eve').status_code == 201
            assert log_in(service, 'ada', device=device).status_code == 201

        looked_at = [a.status_code for a in answers].count(401)
        figure(f'{database}: {ATTEMPTS} attempts in bursts of {BURST}: {looked_at} looked at')
        assert {a.status_code for a in answers} <= {401, 429, 503}
        assert looked_at <= LIMIT
        refused = next(a for a in answers if a.status_code == 429)
        assert set(refused.json()['data']) == {'attempts'}
        assert 0 < int(refused.headers['Retry-After']) <= 15 * 60
        # From elsewhere it is locked, from a known device it is not.
        assert log_in(service, 'ada', PASSWORD).status_code == 429
        assert log_in(service, 'ada', PASSWORD, device=device).status_code == 201
