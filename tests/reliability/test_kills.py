"""Random kills of task workers: no task is lost, and none has its effect twice."""

from pathlib import Path

import pytest

from .harness import IS_LONG, LEASE, figure, service_under_test

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

# Each line: database, broker, number of tasks and number of kills. SHORT runs in CI, LONG in `make
# soak`.
SHORT = [
    ('sqlite', '', 200, 8),
    ('postgresql', '', 200, 8),
    ('postgresql', 'amqp', 200, 8),
    ('postgresql', 'redis', 100, 4),
]
LONG = [
    ('sqlite', '', 1000, 60),
    ('postgresql', '', 1000, 60),
    ('sqlite', 'amqp', 1000, 60),
    ('postgresql', 'amqp', 1000, 60),
    ('postgresql', 'redis', 300, 15),
]


@pytest.mark.parametrize(
    ('database', 'broker', 'count', 'kills'),
    LONG if IS_LONG else SHORT,
    ids=lambda value: str(value) or 'embedded',
)
def test_no_task_is_lost_and_no_effect_occurs_twice(
    tmp_path: Path, database: str, broker: str, count: int, kills: int
) -> None:
    with service_under_test(tmp_path, database, broker) as service, service.watched():
        service.enqueue('leave_mark', count, milliseconds=40)

        killed = service.kill_workers(kills, pause=(0.1, 0.6))
        service.wait_until_done(120)

        runs = service.scalar('SELECT count(*) FROM reliability_runs')
        effects = service.scalar('SELECT count(*) FROM reliability_effects')
        different = service.scalar('SELECT count(DISTINCT number) FROM reliability_effects')
    figure(
        f'{database} {broker or "embedded"}: {count} tasks, {killed} kills, '
        f'{runs} runs, {effects} effects, longest under one lease {service.longest_running:.1f} s'
    )
    assert killed == kills
    assert (effects, different) == (count, count)
    assert service.longest_running <= 2 * LEASE
