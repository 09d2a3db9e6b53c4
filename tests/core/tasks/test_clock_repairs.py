"""Repair of future times in the database, written by a process whose clock was wrong."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from project.core.clock import now
from project.core.tasks import leases
from project.core.tasks.clock_repairs import repair_clock_jumps
from project.core.tasks.queues import mark_ready
from tests.kit.clock import Travel
from tests.tasks import task

from ..outbox import enqueue_at_committed, enqueue_committed, mark_queued, row_of

pytestmark = pytest.mark.usefixtures('no_tasks')

MINE, THEIRS = uuid4(), uuid4()
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
JUMPS = [timedelta(days=1), timedelta(days=7305)]


@pytest.fixture
def travel(travel: Travel) -> Travel:
    """Set the clock to noon; it stands still until the test moves it."""
    travel(to=NOON)
    return travel


@pytest.fixture
def nothing():
    """Return a task that does nothing."""
    return task(name='nothing')(lambda: None)


@pytest.mark.parametrize('jump', JUMPS)
class TestRepairClockJumps:
    def test_shortens_the_lease_of_a_dead_process(self, travel, nothing, jump):
        travel(jump)
        found = enqueue_committed(nothing)
        leases.claim_next(MINE)
        travel(-jump)
        assert leases.claim_next(THEIRS) is None

        repair_clock_jumps()

        assert leases.claim_next(THEIRS) is None
        travel(leases.LEASE_DURATION)
        assert leases.claim_next(THEIRS).id == found

    def test_keeps_a_lease_that_its_process_renews(self, travel, nothing, jump):
        travel(jump)
        found = enqueue_committed(nothing)
        leases.claim_next(MINE)
        travel(-jump)
        repair_clock_jumps()
        travel(5 * SECOND)
        leases.renew([MINE])

        travel(leases.LEASE_DURATION - SECOND)

        assert leases.claim_next(THEIRS) is None
        assert row_of(found).lease_id == MINE

    def test_shortens_a_lease_that_expired_while_the_clock_was_ahead(self, travel, nothing, jump):
        travel(jump)
        enqueue_committed(nothing)
        leases.claim_next(MINE)
        travel(leases.LEASE_DURATION)
        mark_ready()
        travel(-jump)

        repair_clock_jumps()

        travel(leases.LEASE_DURATION)
        assert leases.claim_next(THEIRS)

    def test_queues_a_task_again_that_a_broker_has_lost(self, travel, nothing, jump):
        travel(jump)
        found = enqueue_committed(nothing)
        mark_queued(1)
        travel(-jump)

        repair_clock_jumps()

        travel(leases.LEASE_DURATION)
        assert mark_queued(1) == [found]

    @pytest.mark.parametrize('end', ['retry_later', 'give_back'])
    def test_makes_a_retry_due_that_waits_for_a_future_time(self, travel, nothing, jump, end):
        found = enqueue_committed(nothing)
        travel(jump)
        leases.claim_next(MINE)
        if end == 'retry_later':
            leases.retry_later(found, MINE, 'not now', SECOND)
        else:
            leases.give_back(found, MINE, SECOND)
        travel(-jump)
        assert leases.claim_next(MINE) is None

        assert repair_clock_jumps() == 1

        assert leases.claim_next(MINE).id == found

    def test_makes_a_task_due_that_was_enqueued_in_the_future(self, travel, nothing, jump, caplog):
        travel(jump)
        found = enqueue_committed(nothing)
        travel(-jump)

        assert repair_clock_jumps() == 1

        row = row_of(found)
        assert row.created_at == row.scheduled_at == NOON
        assert leases.claim_next(MINE).id == found
        assert 'the clock was set back: 1 tasks' in caplog.text

    def test_keeps_the_delay_of_a_task_enqueued_in_the_future(self, travel, nothing, jump):
        travel(jump)
        found = enqueue_at_committed(now() + HOUR, nothing)
        travel(-jump)

        repair_clock_jumps()

        row = row_of(found)
        assert (row.available_at, row.scheduled_at) == (NOON + HOUR, NOON + HOUR)
        assert repair_clock_jumps() == 0

    def test_keeps_a_task_scheduled_by_a_correct_clock(self, travel, nothing, jump):
        found = enqueue_at_committed(NOON + jump, nothing)
        before = row_of(found)

        assert repair_clock_jumps() == 0

        assert row_of(found) == before


class TestTolerance:
    def test_ignores_small_differences_between_the_clocks_of_two_machines(self, travel, nothing):
        travel(30 * SECOND)
        ids = [enqueue_committed(nothing) for _ in range(3)]
        leases.claim(ids[0], MINE)
        leases.claim(ids[1], THEIRS)
        leases.retry_later(ids[1], THEIRS, 'not now', timedelta(minutes=15))
        travel(-30 * SECOND)

        assert repair_clock_jumps() == 0
