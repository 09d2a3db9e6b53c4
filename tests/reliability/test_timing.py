"""Nobody tells by the time, the body or the headers of an answer who is known (ASVS 6.3.8)."""

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from .accounts import API, PASSWORD, make_users
from .harness import IS_LONG, Attacked, attacked, figure

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1800)]

EACH = 1000 if IS_LONG else 40
RUNS = 3 if IS_LONG else 1
# Few of them tell little: in short it only has to find a difference as large as a mail.
WITHIN = (0.45, 0.55) if IS_LONG else (0.25, 0.75)
CASES = ['sqlite', 'postgresql'] if IS_LONG else ['postgresql']

Ask = Callable[[str], tuple[str, str, dict[str, Any]]]

ENDPOINTS: dict[str, Ask] = {
    'login': lambda name: (
        'POST', '/auth/sessions', {'user_or_email': name, 'password': 'wrong password'},
    ),
    'registration': lambda name: (
        'POST', '/auth/accounts', {
            'username': f'new-{random.randbytes(8).hex()}', 'email': f'{name}@example.com',
            'password': PASSWORD,
        },
    ),
    'resend': lambda name: ('POST', '/auth/verifications', {'email': f'{name}@example.com'}),
    'reset': lambda name: ('POST', '/auth/password-resets', {'email': f'{name}@example.com'}),
    'verification': lambda name: (
        'PUT', '/auth/verifications',
        {'email': f'{name}@example.com', 'pin': '000000', 'password': PASSWORD},
    ),
}  # fmt: skip


def probability(known: list[float], unknown: list[float]) -> float:
    """Return how probably one of the known took longer than one of the unknown (the AUC)."""
    ranked = sorted([(t, 1) for t in known] + [(t, 0) for t in unknown])
    ranks = sum(rank for rank, (_, is_known) in enumerate(ranked, 1) if is_known)
    count = len(known)
    return (ranks - count * (count + 1) / 2) / (count * len(unknown))


@pytest.fixture(scope='module', params=CASES)
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Attacked]:
    """A running service that trusts one proxy."""
    var = tmp_path_factory.mktemp('timing')
    with attacked(var, request.param, TRUSTED_PROXIES='1') as service:
        yield service


def answers(
    service: Attacked, endpoint: str, names: list[tuple[str, bool]]
) -> list[tuple[bool, float, requests.Response]]:
    """Ask for all of them, in any order, each from a network of its own."""
    found = []
    random.shuffle(names)
    with requests.Session() as session:
        for number, (name, known) in enumerate(names):
            method, path, body = ENDPOINTS[endpoint](name)
            # The service counts attempts per network, of 24 bits, so no two requests share one.
            index = list(ENDPOINTS).index(endpoint)
            network = f'10.{8 * index + number // 256 % 8}.{number % 256}.1'
            headers = {'X-Forwarded-For': network}
            request = requests.Request(method, service.url + API + path, headers, json=body)
            prepared = session.prepare_request(request)
            begin = time.perf_counter()
            answer = session.send(prepared, timeout=30)
            found.append((known, time.perf_counter() - begin, answer))
    return found


def shape(answer: requests.Response) -> tuple[Any, ...]:
    """Return all of an answer but what differs with every one of them."""
    own = {'Date', 'X-Request-ID'}
    return (
        answer.status_code, answer.text,
        sorted((name, value) for name, value in answer.headers.items() if name not in own),
    )  # fmt: skip


@pytest.mark.parametrize('endpoint', ENDPOINTS)
def test_known_and_unknown_look_alike(service: Attacked, endpoint: str) -> None:
    found = []
    for run in range(RUNS):
        known = [f'known-{endpoint}{run}-{number}' for number in range(EACH)]
        make_users(service, *known)
        names = [(name, True) for name in known]
        names += [(f'nobody-{endpoint}{run}-{number}', False) for number in range(EACH)]
        asked = answers(service, endpoint, names)
        assert len({repr(shape(answer)) for _, _, answer in asked}) == 1
        times = [[t for is_known, t, _ in asked if is_known is which] for which in (True, False)]
        found.append(probability(*times))
        # Mails that are sent later would slow down the requests of the next measurement.
        service.wait_until_done(120)
    figure(f'{service.engine.name}, {endpoint}: AUC {", ".join(f"{auc:.3f}" for auc in found)}')
    inside = [auc for auc in found if WITHIN[0] <= auc <= WITHIN[1]]
    assert len(inside) >= (RUNS + 1) // 2
