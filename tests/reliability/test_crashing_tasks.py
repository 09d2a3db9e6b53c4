"""Tasks that kill their process, or never end: given up, and hardly noticed by the others."""

from pathlib import Path
from typing import Any

import pytest

from .harness import Attacked, attacked, figure, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]

HEALTHY = 20
DELAYED_AT_MOST = 10  # seconds

WAYS = pytest.mark.parametrize(
    ('database', 'broker'),
    [('sqlite', ''), ('postgresql', ''), ('postgresql', 'amqp')],
    ids=['sqlite', 'postgresql', 'amqp'],
)


def dead(service: Attacked) -> list[dict[str, Any]]:
    """Return the dead letters."""
    return service.jobs('--state', 'dead')


@WAYS
def test_what_kills_its_process_is_given_up_and_delays_nobody_for_long(
    tmp_path: Path, database: str, broker: str
) -> None:
    with attacked(tmp_path, database, broker) as service:
        # As many as there are workers, so that all of them are hit.
        service.enqueue('kill_process', 2)
        waits = service.waits(HEALTHY, pause=0.2)
        wait_until(lambda: len(dead(service)) == 2, 60)

        letters = dead(service)
    way = f'{database} {broker or "embedded"}'
    figure(f'{way}: poison dead after 4 attempts; {HEALTHY} others waited {waits[-1]:.2f} s')
    assert [letter['attempts'] for letter in letters] == [4, 4]
    assert {letter['error'] for letter in letters} == {'its process ended (signal 9)'}
    assert waits[-1] <= DELAYED_AT_MOST


@WAYS
def test_what_never_ends_is_ended_by_its_time_limit(
    tmp_path: Path, database: str, broker: str
) -> None:
    with attacked(tmp_path, database, broker) as service:
        service.enqueue('hang', 1)
        wait_until(lambda: service.scalar("SELECT count(*) FROM core_tasks WHERE state='dead'"), 40)

        [letter] = dead(service)
    assert letter['attempts'] == 2
    assert letter['error'] == 'it took longer than its time limit, and was ended'
    figure(f'{database} {broker or "embedded"}: hanging task given up')


@pytest.mark.parametrize('database', ['sqlite', 'postgresql'])
def test_what_keeps_its_interpreter_busy_keeps_its_lease_and_no_other_worker(
    tmp_path: Path, database: str
) -> None:
    with attacked(tmp_path, database) as service:
        service.enqueue('think', 1)
        waits = service.waits(HEALTHY * 5, pause=0.2)
        wait_until(lambda: dead(service), 60)

        [letter] = dead(service)
        thoughts = service.scalar('SELECT count(*) FROM reliability_runs WHERE number < 0')
    figure(f'{database}: {HEALTHY * 5} tasks beside a busy one waited {waits[-1]:.2f} s at most')
    assert thoughts == 1
    assert letter['attempts'] == 1
    assert letter['error'] == 'it took longer than its time limit, and was ended'
    assert waits[-1] <= DELAYED_AT_MOST
