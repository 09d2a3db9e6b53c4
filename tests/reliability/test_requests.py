"""Requests that enqueue: what was rejected leaves no mail, what was answered always does."""

import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .harness import (
    IS_LONG,
    Attacked,
    Gate,
    address_of,
    attacked,
    figure,
    kill,
    mailed,
    post,
    wait_until,
)

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

THIRD = 100 if IS_LONG else 15
RECOVERED = 60  # seconds until everything must have arrived
CASES = ['sqlite', 'postgresql'] if IS_LONG else ['postgresql']


def rejected(service: Attacked, numbers: range) -> None:
    """Have all of them rolled back."""
    for number in numbers:
        answer = post(service, number, fail=True)
        assert answer is not None
        assert answer.status_code == 409


def answered(service: Attacked, numbers: range) -> None:
    """Have all of them committed."""
    for number in numbers:
        answer = post(service, number)
        assert answer is not None
        assert answer.status_code == 200, answer.text


def answered_by_who_dies(service: Attacked, numbers: range) -> set[int]:
    """Kill whoever answered, at once; return what was answered at all."""
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


def verify(service: Attacked, wanted: set[int], never: range) -> float:
    """Wait until what is wanted has arrived, and nothing else has; return how long it took."""
    began = time.monotonic()
    wait_until(lambda: wanted <= mailed(service), RECOVERED)
    service.wait_until_done(RECOVERED)
    assert not mailed(service) & set(never)
    return time.monotonic() - began


@pytest.mark.parametrize('database', CASES)
def test_embedded_mails_are_as_true_as_their_transaction(tmp_path: Path, database: str) -> None:
    first, second, third = (range(start, start + THIRD) for start in (0, THIRD, 2 * THIRD))
    with attacked(tmp_path, database) as service:
        rejected(service, first)
        # There is no broker to be down; what it is worked off by is killed in its place.
        for number in second:
            answered(service, range(number, number + 1))
            if service.supervisor:
                kill(service.supervisor)
        known = answered_by_who_dies(service, third)

        took = verify(service, {*second, *known}, first)
    figure(
        f'{database} embedded: 0 of {THIRD} rejected, all of {THIRD}+{len(known)} in {took:.1f} s'
    )


@pytest.mark.parametrize('database', CASES)
def test_mails_over_a_broker_are_as_true_as_their_transaction(
    tmp_path: Path, database: str
) -> None:
    first, second, third = (range(start, start + THIRD) for start in (0, THIRD, 2 * THIRD))
    parts = urlsplit(address_of('amqp'))
    gate = Gate(parts.hostname or '', parts.port or 5672)
    gate.open()
    broker = parts._replace(netloc=f'{parts.username}:{parts.password}@127.0.0.1:{gate.port}')
    try:
        with attacked(tmp_path, database, broker.geturl()) as service:
            rejected(service, first)
            gate.shut()
            answered(service, second)
            assert not mailed(service) & set(second)
            gate.open()
            known = answered_by_who_dies(service, third)

            took = verify(service, {*second, *known}, first)
    finally:
        gate.shut()
    figure(f'{database} amqp: 0 of {THIRD} rejected, all of {THIRD}+{len(known)} in {took:.1f} s')
