"""Tasks that kill their process or never end become dead letters, and hardly delay others."""

from collections.abc import Iterator
from typing import Any

import pytest

from .harness import IS_LONG, ServiceUnderTest, figure, service_under_test

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]

HEALTHY = 20
MAX_DELAY_SECONDS = 10

# By name: the database and the broker of the service.
VARIANTS = {
    'sqlite': ('sqlite', ''),
    'postgresql': ('postgresql', ''),
    'amqp': ('postgresql', 'amqp'),
}
# These tests need a CPU for longer than a lease, which lasts 20 seconds.
BUSY_VARIANTS = ['sqlite', 'postgresql'] if IS_LONG else ['postgresql']


@pytest.fixture(scope='module', params=VARIANTS if IS_LONG else ['sqlite', 'amqp'])
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceUnderTest]:
    """Run a service, which restarts the task workers that a task has killed."""
    database, broker = VARIANTS[request.param]
    with service_under_test(tmp_path_factory.mktemp('crashing'), database, broker) as service:
        yield service


@pytest.fixture
def service(shared: ServiceUnderTest) -> ServiceUnderTest:
    """Return the running service after deleting the tasks of earlier tests."""
    shared.clear()
    return shared


def dead(service: ServiceUnderTest) -> list[dict[str, Any]]:
    """Return the dead letters of a service."""
    return service.jobs('--state', 'dead')


def test_a_task_that_kills_its_process_becomes_a_dead_letter(service: ServiceUnderTest) -> None:
    # One task for each worker of the queue, so that all of these workers are killed.
    service.enqueue('kill_process', 2)
    waits = service.waits(HEALTHY, pause=0.2)
    service.wait_until_dead(2, 60)

    letters = dead(service)
    figure(
        f'{service.variant}: dead letter after 4 attempts; {HEALTHY} other tasks waited '
        f'{waits[-1]:.2f} s at most'
    )
    assert [letter['attempts'] for letter in letters] == [4, 4]
    assert {letter['error'] for letter in letters} == {'its process ended (signal 9)'}
    assert waits[-1] <= MAX_DELAY_SECONDS


def test_a_task_that_never_ends_is_ended_by_its_time_limit(service: ServiceUnderTest) -> None:
    service.enqueue('hang', 1)
    service.wait_until_dead(1, 40)

    [letter] = dead(service)
    assert letter['attempts'] == 2
    assert letter['error'] == 'it exceeded its time limit and was killed'
    figure(f'{service.variant}: hanging task is a dead letter')


@pytest.mark.parametrize('shared', BUSY_VARIANTS, indirect=True)
def test_a_task_that_blocks_its_interpreter_keeps_its_lease(
    service: ServiceUnderTest,
) -> None:
    service.enqueue('think', 1)
    waits = service.waits(HEALTHY * 5, pause=0.2)
    service.wait_until_dead(1, 60)

    [letter] = dead(service)
    thoughts = service.scalar('SELECT count(*) FROM reliability_runs WHERE number < 0')
    figure(
        f'{service.variant}: {HEALTHY * 5} tasks beside a busy one waited {waits[-1]:.2f} s at most'
    )
    assert thoughts == 1
    assert letter['attempts'] == 1
    assert letter['error'] == 'it exceeded its time limit and was killed'
    assert waits[-1] <= MAX_DELAY_SECONDS
