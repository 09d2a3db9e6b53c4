"""Requests that send a mail in their transaction.

If the transaction is rolled back, no mail is sent; if it is committed, the mail always arrives.
"""

import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .harness import (
    IS_LONG,
    ServiceUnderTest,
    TcpProxy,
    address_of,
    figure,
    kill,
    mailed,
    post,
    service_under_test,
    wait_until,
)

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

REQUESTS = 100 if IS_LONG else 15
RECOVERY_SECONDS = 60  # until all mails must have arrived
CASES = ['sqlite', 'postgresql'] if IS_LONG else ['postgresql']


def post_rejected(service: ServiceUnderTest, numbers: range) -> None:
    """Send requests whose transaction is rolled back."""
    for number in numbers:
        answer = post(service, number, fail=True)
        assert answer is not None
        assert answer.status_code == 409


def post_committed(service: ServiceUnderTest, numbers: range) -> None:
    """Send requests whose transaction is committed."""
    for number in numbers:
        answer = post(service, number)
        assert answer is not None
        assert answer.status_code == 200, answer.text


def post_and_kill(service: ServiceUnderTest, numbers: range) -> set[int]:
    """Send requests, and kill the web worker after each response; return their numbers."""
    known = set()
    for number in numbers:
        answer = post(service, number)
        if answer is None:
            continue
        began = time.monotonic()
        kill(answer.json()['data']['pid'])
        assert time.monotonic() - began < 0.05
        known.add(number)
        wait_until(lambda: len(service.web_workers) == 2, 20)
    return known


def verify(service: ServiceUnderTest, expected: set[int], never: range) -> float:
    """Wait until exactly the expected mails have arrived; return the seconds."""
    began = time.monotonic()
    wait_until(lambda: expected <= mailed(service), RECOVERY_SECONDS)
    service.wait_until_done(RECOVERY_SECONDS)
    assert not mailed(service) & set(never)
    return time.monotonic() - began


@pytest.mark.parametrize('database', CASES)
def test_mails_match_their_transactions_without_a_broker(tmp_path: Path, database: str) -> None:
    first, second, third = (range(start, start + REQUESTS) for start in (0, REQUESTS, 2 * REQUESTS))
    with service_under_test(tmp_path, database) as service:
        post_rejected(service, first)
        # In this variant there is no broker to stop, so the test kills the supervisor instead.
        for number in second:
            post_committed(service, range(number, number + 1))
            if service.supervisor:
                kill(service.supervisor)
        known = post_and_kill(service, third)

        took = verify(service, {*second, *known}, first)
    figure(
        f'{database} embedded: 0 of {REQUESTS} rejected, all of {REQUESTS}+{len(known)} '
        f'in {took:.1f} s'
    )


@pytest.mark.parametrize('database', CASES)
def test_mails_match_their_transactions_with_a_broker(tmp_path: Path, database: str) -> None:
    first, second, third = (range(start, start + REQUESTS) for start in (0, REQUESTS, 2 * REQUESTS))
    parts = urlsplit(address_of('amqp'))
    tcp_proxy = TcpProxy(parts.hostname or '', parts.port or 5672)
    tcp_proxy.open()
    broker = parts._replace(netloc=f'{parts.username}:{parts.password}@127.0.0.1:{tcp_proxy.port}')
    try:
        with service_under_test(tmp_path, database, broker.geturl()) as service:
            post_rejected(service, first)
            tcp_proxy.shut()
            post_committed(service, second)
            assert not mailed(service) & set(second)
            tcp_proxy.open()
            known = post_and_kill(service, third)

            took = verify(service, {*second, *known}, first)
    finally:
        tcp_proxy.shut()
    figure(
        f'{database} amqp: 0 of {REQUESTS} rejected, all of {REQUESTS}+{len(known)} in {took:.1f} s'
    )
