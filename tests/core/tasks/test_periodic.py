"""Periodic tasks: several processes enqueue them, but each only once per period."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from project.core.database.session import execute_select
from project.core.registration import Registry
from project.core.tasks import leases, registry
from project.core.tasks.periodic import Schedule, enqueue_due_schedules
from tests.concurrency import run_concurrently, separate_app
from tests.kit.clock import Travel
from tests.tasks import task

from ..outbox import rows

pytestmark = pytest.mark.usefixtures('no_tasks')

NOON = datetime(2026, 11, 23, 12, 0, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SOON = datetime(2026, 11, 23, 12, 5, tzinfo=UTC)


@pytest.fixture
def travel(travel: Travel) -> Travel:
    """Set the clock to noon; it stands still until the test moves it."""
    travel(to=NOON)
    return travel


@pytest.fixture
def cleaning_up():
    """Return a periodic task that runs every five minutes."""
    return task(name='sweep', every=5 * MINUTE)(lambda: None)


def schedules():
    """Return the rule and the time of the next run of each periodic task, by name."""
    return {
        name: (rule, due)
        for name, rule, due in execute_select(
            select(Schedule.name, Schedule.rule, Schedule.next_run_at)
        )
    }


class TestEnqueueDueSchedules:
    def test_starts_with_the_next_period(self, travel, cleaning_up):
        assert enqueue_due_schedules() == SOON

        assert rows() == []
        assert schedules() == {'sweep': ('every 300 s', SOON)}

    def test_enqueues_a_due_task(self, travel, cleaning_up):
        enqueue_due_schedules()
        travel(to=SOON)

        assert enqueue_due_schedules() == SOON + 5 * MINUTE

        [row] = rows()
        assert (row.name, row.available_at, row.arguments) == ('sweep', SOON, '{}')

    def test_enqueues_a_task_once_when_it_is_called_repeatedly(self, travel, cleaning_up):
        enqueue_due_schedules()
        travel(to=SOON)

        for _ in range(3):
            assert enqueue_due_schedules() == SOON + 5 * MINUTE
            leases.claim_next(uuid4())

        assert len(rows()) == 1

    @pytest.mark.parametrize('jump', [timedelta(days=1), timedelta(days=7305)])
    def test_enqueues_at_once_a_task_postponed_by_a_clock_that_was_ahead(
        self, travel, jump, caplog
    ):
        task(name='nightly', cron='17 3 * * *')(lambda: None)
        enqueue_due_schedules()
        travel(jump)
        enqueue_due_schedules()
        leases.claim_next(uuid4())
        travel(-jump)
        due = datetime(2026, 11, 24, 3, 17, tzinfo=UTC)

        enqueue_due_schedules()

        assert schedules()['nightly'][1] == due
        assert 'nightly was postponed until' in caplog.text
        [row] = rows()
        assert row.rerun_requested

    def test_ignores_a_clock_that_is_slightly_ahead(self, travel, cleaning_up):
        enqueue_due_schedules()
        travel(to=SOON)
        enqueue_due_schedules()
        travel(seconds=-30)

        enqueue_due_schedules()

        assert schedules()['sweep'][1] == SOON + 5 * MINUTE
        assert [row.rerun_requested for row in rows()] == [False]

    def test_enqueues_a_task_once_for_concurrent_callers(self, cleaning_up, tmp_path, travel):
        def enqueue_and_claim():
            found = enqueue_due_schedules()
            # If a second caller also enqueued the task, this running task would be marked for a
            # rerun.
            leases.claim_next(uuid4())
            return found

        with separate_app(tmp_path) as app:
            with travel(to=NOON):
                assert set(run_concurrently(app, *[enqueue_and_claim] * 4)) == {SOON}
            for number in range(3):
                with travel(to=SOON + number * 5 * MINUTE):
                    assert len(set(run_concurrently(app, *[enqueue_and_claim] * 6))) == 1
                    [row] = rows()
                    assert (row.state, row.rerun_requested) == ('running', False)
                    leases.complete(row.id, row.lease_id)
                    assert rows() == []

    def test_enqueues_a_task_once_after_a_long_pause(self, travel, cleaning_up):
        enqueue_due_schedules()
        travel(to=SOON + timedelta(hours=7))

        enqueue_due_schedules()
        leases.claim_next(uuid4())
        following = enqueue_due_schedules()

        assert len(rows()) == 1
        assert following == SOON + timedelta(hours=7) + 5 * MINUTE

    def test_does_not_enqueue_a_task_that_still_waits(self, travel, cleaning_up):
        enqueue_due_schedules()
        for number in range(3):
            travel(to=SOON + number * 5 * MINUTE)
            enqueue_due_schedules()

        assert len(rows()) == 1

    def test_restarts_a_schedule_whose_rule_changed(self, travel, cleaning_up, monkeypatch):
        enqueue_due_schedules()
        monkeypatch.setattr(registry, '_tasks', Registry('task'))
        task(name='sweep', cron='30 12 * * *')(lambda: None)
        travel(to=SOON)

        following = enqueue_due_schedules()

        assert following == datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
        assert rows() == []
        assert schedules() == {'sweep': ('30 12 * * *', following)}

    def test_returns_the_time_of_the_next_due_schedule(self, travel, cleaning_up):
        task(name='often', every=MINUTE)(lambda: None)
        task(name='seldom', cron='0 0 1 1 *')(lambda: None)

        assert enqueue_due_schedules() == NOON - timedelta(seconds=1) + MINUTE

    def test_returns_a_time_within_an_hour_at_the_latest(self, travel):
        assert enqueue_due_schedules() == NOON + timedelta(hours=1)
        task(name='seldom', cron='0 0 1 1 *')(lambda: None)
        assert enqueue_due_schedules() == NOON + timedelta(hours=1)

    def test_keeps_a_schedule_whose_task_could_not_be_enqueued(
        self, travel, cleaning_up, monkeypatch
    ):
        enqueue_due_schedules()
        monkeypatch.setattr(registry, '_names', {})
        travel(to=SOON)

        with pytest.raises(RuntimeError, match='is not a @task'):
            enqueue_due_schedules()

        assert schedules() == {'sweep': ('every 300 s', SOON)}
