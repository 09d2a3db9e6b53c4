"""Floods of logins: what hashes passwords stops nothing else."""

import http.client
import json
import time
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .accounts import PASSWORD, log_in, make_users, memory_of, run_concurrently, watching
from .harness import IS_LONG, Attacked, attacked, figure

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]

AT_ONCE = 64
SECONDS = 20.0 if IS_LONG else 4.0
LOGIN = '/api/v1/auth/sessions'
# Other forms of the same request.
SPELLINGS = {
    'percent-encoded': ('/api/v1/auth/%73essions', {}),
    'two slashes': (f'/{LOGIN}', {}),
    'a query': (f'{LOGIN}?x=1', {}),
    'in chunks': (LOGIN, {'Transfer-Encoding': 'chunked'}),
    'held back': (LOGIN, {'Expect': '100-continue'}),
}
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


def test_logins_in_other_spellings_delay_others_no_more(tmp_path: Path) -> None:
    with attacked(tmp_path, 'postgresql') as service:
        names = [f'user{number}' for number in range(AT_ONCE)]
        make_users(service, *names)
        documented = median_beside(service, names, [(LOGIN, {})])
        spelled = median_beside(service, names, list(SPELLINGS.values()))

    figure(f'/healthz p50 {documented * 1000:.0f} ms beside logins as documented, '
           f'{spelled * 1000:.0f} ms beside others')  # fmt: skip
    assert spelled <= 1.5 * documented + 0.005


def median_beside(
    service: Attacked, names: list[str], spellings: list[tuple[str, dict[str, str]]]
) -> float:
    """Return the median time of `/healthz` beside logins of all users at once, in seconds."""
    deadline = time.monotonic() + SECONDS

    def flood(number: int) -> set[int]:
        url, headers = spellings[number % len(spellings)]
        return set(log_in_raw(service, names[number], url, headers, deadline))

    with watching(service) as watch:
        found = run_concurrently(*[partial(flood, number) for number in range(len(names))])
    assert set().union(*found) <= {201, 503}
    return watch.p50


def log_in_raw(
    service: Attacked, name: str, url: str, headers: dict[str, str], deadline: float
) -> Iterator[int]:
    """Log in until a deadline, with a URL that no library changes; yield each status."""
    body = json.dumps({'user_or_email': name, 'password': PASSWORD}).encode()
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=60)
        is_chunked = 'Transfer-Encoding' in headers
        connection.request(
            'POST', url, iter([body]) if is_chunked else body,
            {'Content-Type': 'application/json', **headers}, encode_chunked=is_chunked,
        )  # fmt: skip
        yield connection.getresponse().status
        connection.close()
