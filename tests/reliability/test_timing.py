"""Responses do not reveal which users exist, by their time, body or headers (ASVS 6.3.8)."""

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from .accounts import API, PASSWORD, create_users
from .harness import IS_LONG, ServiceUnderTest, figure, service_under_test

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1800)]

REQUESTS_PER_GROUP = 1000 if IS_LONG else 40
RUNS = 3 if IS_LONG else 1
# A few requests are weak evidence, so CI detects only a difference as long as sending a mail takes.
AUC_BOUNDS = (0.45, 0.55) if IS_LONG else (0.25, 0.75)
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
    """Return the probability that a request for a known user takes longer.

    Compares each request for a known user with each one for an unknown user. The statistical name
    is AUC.
    """
    ranked = sorted([(t, 1) for t in known] + [(t, 0) for t in unknown])
    ranks = sum(rank for rank, (_, is_known) in enumerate(ranked, 1) if is_known)
    count = len(known)
    return (ranks - count * (count + 1) / 2) / (count * len(unknown))


@pytest.fixture(scope='module', params=CASES)
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceUnderTest]:
    """Run a service that trusts the IP addresses that one proxy reports."""
    var = tmp_path_factory.mktemp('timing')
    with service_under_test(var, request.param, TRUSTED_PROXIES='1') as service:
        yield service


def measure(
    service: ServiceUnderTest, endpoint: str, names: list[tuple[str, bool]]
) -> list[tuple[bool, float, requests.Response]]:
    """Send a request for each name, in random order.

    :returns: for each request whether the user is known, the seconds and the response.
    """
    found = []
    random.shuffle(names)
    with requests.Session() as session:
        for number, (name, known) in enumerate(names):
            method, path, body = ENDPOINTS[endpoint](name)
            # The service counts attempts per /24 network, so each request comes from another
            # network.
            index = list(ENDPOINTS).index(endpoint)
            network = f'10.{8 * index + number // 256 % 8}.{number % 256}.1'
            headers = {'X-Forwarded-For': network}
            request = requests.Request(method, service.url + API + path, headers, json=body)
            prepared = session.prepare_request(request)
            begin = time.perf_counter()
            answer = session.send(prepared, timeout=30)
            found.append((known, time.perf_counter() - begin, answer))
    return found


def comparable(answer: requests.Response) -> tuple[Any, ...]:
    """Return the status, body and headers of a response.

    Headers that differ in each response are left out.
    """
    own = {'Date', 'X-Request-ID', 'Server-Timing'}
    return (
        answer.status_code, answer.text,
        sorted((name, value) for name, value in answer.headers.items() if name not in own),
    )  # fmt: skip


@pytest.mark.parametrize('endpoint', ENDPOINTS)
def test_responses_to_known_and_unknown_users_are_the_same(
    service: ServiceUnderTest, endpoint: str
) -> None:
    found = []
    for run in range(RUNS):
        known = [f'known-{endpoint}{run}-{number}' for number in range(REQUESTS_PER_GROUP)]
        create_users(service, *known)
        names = [(name, True) for name in known]
        names += [
            (f'nobody-{endpoint}{run}-{number}', False) for number in range(REQUESTS_PER_GROUP)
        ]
        measured = measure(service, endpoint, names)
        assert len({repr(comparable(answer)) for _, _, answer in measured}) == 1
        times = [[t for is_known, t, _ in measured if is_known is which] for which in (True, False)]
        found.append(probability(*times))
        # Wait for the mails to be sent, because sending would slow down the next measurement.
        service.wait_until_done(120)
    figure(f'{service.engine.name}, {endpoint}: AUC {", ".join(f"{auc:.3f}" for auc in found)}')
    inside = [auc for auc in found if AUC_BOUNDS[0] <= auc <= AUC_BOUNDS[1]]
    assert len(inside) >= (RUNS + 1) // 2
