"""Tasks that kill their process, or never end: given up, and hardly noticed by the others."""

from collections.abc import Iterator
from typing import Any

import pytest

from .harness import IS_LONG, Attacked, attacked, figure

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]

HEALTHY = 20
DELAYED_AT_MOST = 10  # seconds

# Database and broker of a service.
WAYS = {
    'sqlite': ('sqlite', ''),
    'postgresql': ('postgresql', ''),
    'amqp': ('postgresql', 'amqp'),
}
# A task that keeps its interpreter busy needs a processor for longer than a lease of 20 seconds.
BUSY_WAYS = ['sqlite', 'postgresql'] if IS_LONG else ['postgresql']


@pytest.fixture(scope='module', params=WAYS)
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Attacked]:
    """A running service. It replaces workers that a task has killed."""
    database, broker = WAYS[request.param]
    with attacked(tmp_path_factory.mktemp('crashing'), database, broker) as service:
        yield service


@pytest.fixture
def service(shared: Attacked) -> Attacked:
    """The running service, without the tasks of other tests."""
    shared.clear()
    return shared


def dead(service: Attacked) -> list[dict[str, Any]]:
    """Return the dead letters."""
    return service.jobs('--state', 'dead')


def test_what_kills_its_process_is_given_up_and_delays_nobody_for_long(service: Attacked) -> None:
    # As many as there are workers, so that all of them are hit.
    service.enqueue('kill_process', 2)
    waits = service.waits(HEALTHY, pause=0.2)
    service.wait_until_dead(2, 60)

    letters = dead(service)
    figure(
        f'{service.way}: poison dead after 4 attempts; {HEALTHY} others waited {waits[-1]:.2f} s'
    )
    assert [letter['attempts'] for letter in letters] == [4, 4]
    assert {letter['error'] for letter in letters} == {'its process ended (signal 9)'}
    assert waits[-1] <= DELAYED_AT_MOST


def test_what_never_ends_is_ended_by_its_time_limit(service: Attacked) -> None:
    service.enqueue('hang', 1)
    service.wait_until_dead(1, 40)

    [letter] = dead(service)
    assert letter['attempts'] == 2
    assert letter['error'] == 'it took longer than its time limit, and was ended'
    figure(f'{service.way}: hanging task given up')


@pytest.mark.parametrize('shared', BUSY_WAYS, indirect=True)
def test_what_keeps_its_interpreter_busy_keeps_its_lease_and_no_other_worker(
    service: Attacked,
) -> None:
    service.enqueue('think', 1)
    waits = service.waits(HEALTHY * 5, pause=0.2)
    service.wait_until_dead(1, 60)

    [letter] = dead(service)
    thoughts = service.scalar('SELECT count(*) FROM reliability_runs WHERE number < 0')
    figure(f'{service.way}: {HEALTHY * 5} tasks beside a busy one waited {waits[-1]:.2f} s at most')
    assert thoughts == 1
    assert letter['attempts'] == 1
    assert letter['error'] == 'it took longer than its time limit, and was ended'
    assert waits[-1] <= DELAYED_AT_MOST
