"""Tasks that run by themselves, once a period, however many processes look."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import time_machine
from sqlalchemy import select

from project.core.database.session import execute_select
from project.core.tasks import leases, registry, task
from project.core.tasks.periodic import Schedule, enqueue_due_schedules
from tests.concurrency import run_concurrently, separate_app

from ..outbox import rows

pytestmark = pytest.mark.usefixtures('no_tasks')

NOON = datetime(2026, 11, 23, 12, 0, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SOON = datetime(2026, 11, 23, 12, 5, tzinfo=UTC)


@pytest.fixture
def clock():
    """A clock that stands still until it is moved."""
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


@pytest.fixture
def cleaning_up():
    """A task that runs every five minutes."""
    return task(name='sweep', every=5 * MINUTE)(lambda: None)


def schedules():
    """Return what is planned."""
    return {
        name: (rule, due)
        for name, rule, due in execute_select(
            select(Schedule.name, Schedule.rule, Schedule.next_run_at)
        )
    }


class TestFireDue:
    def test_begins_with_the_next_period(self, clock, cleaning_up):
        assert enqueue_due_schedules() == SOON

        assert rows() == []
        assert schedules() == {'sweep': ('every 300 s', SOON)}

    def test_enqueues_what_is_due(self, clock, cleaning_up):
        enqueue_due_schedules()
        clock.move_to(SOON)

        assert enqueue_due_schedules() == SOON + 5 * MINUTE

        [row] = rows()
        assert (row.name, row.available_at, row.arguments) == ('sweep', SOON, '{}')

    def test_enqueues_it_once_however_often_one_looks(self, clock, cleaning_up):
        enqueue_due_schedules()
        clock.move_to(SOON)

        for _ in range(3):
            assert enqueue_due_schedules() == SOON + 5 * MINUTE
            leases.claim_next(uuid4())

        assert len(rows()) == 1

    @pytest.mark.parametrize('jump', [timedelta(days=1), timedelta(days=7305)])
    def test_enqueues_at_once_what_a_clock_that_was_ahead_put_off(self, clock, jump, caplog):
        task(name='nightly', cron='17 3 * * *')(lambda: None)
        enqueue_due_schedules()
        clock.shift(jump)
        enqueue_due_schedules()
        leases.claim_next(uuid4())
        clock.shift(-jump)
        due = datetime(2026, 11, 24, 3, 17, tzinfo=UTC)

        enqueue_due_schedules()

        assert schedules()['nightly'][1] == due
        assert 'nightly was put off until' in caplog.text
        [row] = rows()
        assert row.rerun_requested

    def test_leaves_what_a_machine_whose_clock_is_a_little_ahead_moved_on(self, clock, cleaning_up):
        enqueue_due_schedules()
        clock.move_to(SOON)
        enqueue_due_schedules()
        clock.shift(timedelta(seconds=-30))

        enqueue_due_schedules()

        assert schedules()['sweep'][1] == SOON + 5 * MINUTE
        assert [row.rerun_requested for row in rows()] == [False]

    def test_enqueues_it_once_however_many_look(self, cleaning_up, tmp_path):
        def look():
            found = enqueue_due_schedules()
            # What was enqueued a second time once the first has begun would run again.
            leases.claim_next(uuid4())
            return found

        with separate_app(tmp_path) as app:
            with time_machine.travel(NOON):
                assert set(run_concurrently(app, *[look] * 4)) == {SOON}
            for number in range(3):
                with time_machine.travel(SOON + number * 5 * MINUTE):
                    assert len(set(run_concurrently(app, *[look] * 6))) == 1
                    [row] = rows()
                    assert (row.state, row.rerun_requested) == ('running', False)
                    leases.complete(row.id, row.lease_id)
                    assert rows() == []

    def test_enqueues_it_once_after_a_pause_in_which_nobody_looked(self, clock, cleaning_up):
        enqueue_due_schedules()
        clock.move_to(SOON + timedelta(hours=7))

        enqueue_due_schedules()
        leases.claim_next(uuid4())
        following = enqueue_due_schedules()

        assert len(rows()) == 1
        assert following == SOON + timedelta(hours=7) + 5 * MINUTE

    def test_leaves_one_that_nobody_has_begun_yet(self, clock, cleaning_up):
        enqueue_due_schedules()
        for number in range(3):
            clock.move_to(SOON + number * 5 * MINUTE)
            enqueue_due_schedules()

        assert len(rows()) == 1

    def test_begins_anew_with_another_rule(self, clock, cleaning_up, monkeypatch):
        enqueue_due_schedules()
        monkeypatch.setattr(registry, '_tasks', {})
        task(name='sweep', cron='30 12 * * *')(lambda: None)
        clock.move_to(SOON)

        following = enqueue_due_schedules()

        assert following == datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
        assert rows() == []
        assert schedules() == {'sweep': ('30 12 * * *', following)}

    def test_looks_again_when_the_first_of_them_is_due(self, clock, cleaning_up):
        task(name='often', every=MINUTE)(lambda: None)
        task(name='seldom', cron='0 0 1 1 *')(lambda: None)

        assert enqueue_due_schedules() == NOON - timedelta(seconds=1) + MINUTE

    def test_looks_again_within_an_hour_at_the_latest(self, clock):
        assert enqueue_due_schedules() == NOON + timedelta(hours=1)
        task(name='seldom', cron='0 0 1 1 *')(lambda: None)
        assert enqueue_due_schedules() == NOON + timedelta(hours=1)

    def test_fires_nothing_where_it_could_not_be_enqueued(self, clock, cleaning_up, monkeypatch):
        enqueue_due_schedules()
        monkeypatch.setattr(registry, '_names', {})
        clock.move_to(SOON)

        with pytest.raises(RuntimeError, match='is no @task'):
            enqueue_due_schedules()

        assert schedules() == {'sweep': ('every 300 s', SOON)}
