"""Floods of logins: what hashes passwords stops nothing else."""

import time
from functools import partial
from itertools import chain
from pathlib import Path

import pytest

from .accounts import PASSWORD, log_in, make_users, memory_of, run_concurrently, watching
from .harness import IS_LONG, attacked, figure

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]

AT_ONCE = 64
SECONDS = 20.0 if IS_LONG else 4.0
CASES = ['sqlite', 'postgresql'] if IS_LONG else ['postgresql']


@pytest.mark.parametrize('database', CASES)
def test_64_logins_at_once_leave_the_service_up(tmp_path: Path, database: str) -> None:
    with attacked(tmp_path, database) as service:
        names = [f'user{number}' for number in range(AT_ONCE)]
        make_users(service, *names)
        before = memory_of(service)
        deadline = time.monotonic() + SECONDS

        def flood(name: str) -> list[int]:
            found = []
            while time.monotonic() < deadline:
                found.append(log_in(service, name, PASSWORD).status_code)
            return found

        with watching(service) as watch:
            rounds = run_concurrently(*[partial(flood, name) for name in names])
        answers = list(chain.from_iterable(rounds))

        grown = (watch.most_memory - before) / 1_000_000
        figure(
            f'{database}: {len(answers)} logins by {AT_ONCE} at once in {SECONDS:.0f} s, '
            f'{answers.count(503)} told to come back; /healthz p99 {watch.p99:.2f} s, '
            f'memory + {grown:.0f} MB'
        )
        assert set(answers) <= {201, 503}
        assert answers.count(201) > SECONDS * (5 if IS_LONG else 2)
        assert watch.failed == 0
        # In short, other tests use the processors as well.
        assert watch.p99 <= (1.0 if IS_LONG else 4.0)
        assert grown <= 500
