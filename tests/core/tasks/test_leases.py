"""Leases: the worker that owns a task, and the time until which it owns the task."""

from datetime import timedelta
from uuid import uuid4

import pytest

from project.core.clock import now
from project.core.database.session import atomic
from project.core.tasks import LeaseLost, broker_queues, leases
from project.core.tasks.leases import LEASE_DURATION, QUEUED_TIMEOUT
from project.core.tasks.queues import mark_ready
from tests.concurrency import run_concurrently, separate_app
from tests.tasks import task

from ..outbox import (
    enqueue_at_committed,
    enqueue_committed,
    mark_dead,
    mark_queued,
    row_of,
    rows,
)

pytestmark = pytest.mark.usefixtures('no_tasks')

MINE, THEIRS = uuid4(), uuid4()
SECOND = timedelta(seconds=1)


@pytest.fixture
def nothing():
    """Return a task that takes a number."""
    return task(name='nothing')(lambda number=0: None)


@pytest.fixture
def single():
    """Return a task that can wait only once for the same `name`."""
    return task(name='single', unique=['name'])(lambda name: None)


@pytest.fixture
def taken(nothing):
    """Enqueue a task and claim it with the lease `MINE`; return its id."""
    found = enqueue_committed(nothing)
    leases.claim_next(MINE)
    return found


class TestClaimNext:
    @pytest.mark.usefixtures('travel')
    def test_claims_the_task_that_has_been_due_longest(self, nothing):
        moments = [now() - 2 * SECOND, now() - 3 * SECOND, now() - SECOND, now() + SECOND]
        ids = [enqueue_at_committed(moment, nothing) for moment in moments]

        claimed = [leases.claim_next(MINE) for _ in range(4)]

        assert [row and row.id for row in claimed] == [ids[1], ids[0], ids[2], None]

    @pytest.mark.usefixtures('travel')
    def test_stores_the_lease_and_counts_the_attempt(self, nothing):
        found = enqueue_committed(nothing, 7)

        claimed = leases.claim_next(MINE)

        row = row_of(found)
        assert (row.state, row.lease_id, row.attempts) == ('running', MINE, 1)
        assert (row.started_at, row.available_at) == (now(), now() + LEASE_DURATION)
        assert (claimed.name, claimed.arguments, claimed.attempts) == (
            'nothing', '{"number":7}', 1,
        )  # fmt: skip

    def test_runs_one_statement(self, nothing, queries):
        enqueue_committed(nothing)
        mark_ready()

        with queries(max=1):
            leases.claim_next(MINE)

    def test_gives_concurrent_callers_different_tasks(self, nothing, tmp_path):
        with separate_app(tmp_path) as app:
            ids = {enqueue_committed(nothing) for _ in range(8)}
            mark_ready()

            claimed = run_concurrently(app, *[lambda: leases.claim_next(uuid4())] * 8)

            assert {row.id for row in claimed} == ids

    def test_gives_a_single_task_to_one_of_many_callers(self, nothing, tmp_path):
        with separate_app(tmp_path) as app:
            enqueue_committed(nothing)
            mark_ready()

            claimed = run_concurrently(app, *[lambda: leases.claim_next(uuid4())] * 6)

            assert len([row for row in claimed if row]) == 1

    def test_claims_a_task_with_an_expired_lease(self, taken, travel):
        with travel(seconds=LEASE_DURATION.seconds - 1):
            assert leases.claim_next(THEIRS) is None
        with travel(seconds=LEASE_DURATION.seconds):
            again = leases.claim_next(THEIRS)

        assert (again.id, again.attempts) == (taken, 2)
        assert row_of(taken).lease_id == THEIRS


class TestClaim:
    def test_claims_a_queued_task(self, nothing):
        found = enqueue_committed(nothing)
        mark_queued(1)

        assert leases.claim(found, MINE).id == found
        assert row_of(found).state == 'running'

    def test_claims_a_due_task_that_was_never_queued(self, nothing):
        found = enqueue_committed(nothing)

        assert leases.claim(found, MINE).id == found

    def test_returns_none_for_a_completed_task(self):
        assert leases.claim(uuid4(), MINE) is None

    def test_returns_none_for_a_task_with_another_lease(self, taken):
        assert leases.claim(taken, THEIRS) is None
        assert row_of(taken).attempts == 1

    def test_claims_a_task_with_an_expired_lease(self, taken, travel):
        with travel(seconds=LEASE_DURATION.seconds):
            assert leases.claim(taken, THEIRS).attempts == 2

    def test_returns_none_for_a_task_that_waits_for_another_attempt(self, taken):
        leases.retry_later(taken, MINE, 'not now', SECOND)

        assert leases.claim(taken, THEIRS) is None

    def test_returns_none_for_a_dead_letter(self, taken):
        leases.dead_letter(taken, MINE, 'hopeless')

        assert leases.claim(taken, THEIRS) is None

    def test_gives_a_task_delivered_twice_to_one_caller(self, nothing, tmp_path):
        with separate_app(tmp_path) as app:
            found = enqueue_committed(nothing)
            mark_queued(1)

            claimed = run_concurrently(app, *[lambda: leases.claim(found, uuid4())] * 6)

            assert len([row for row in claimed if row]) == 1
            assert row_of(found).attempts == 1


class TestRenew:
    def test_extends_the_lease(self, taken, travel):
        with travel(seconds=LEASE_DURATION.seconds - 1) as moment:
            leases.renew([MINE])

        assert row_of(taken).available_at == moment + LEASE_DURATION

    def test_extends_several_leases_in_one_statement(self, nothing, taken, queries, travel):
        other, third = enqueue_committed(nothing), enqueue_committed(nothing)
        for lease in (THEIRS, uuid4()):
            leases.claim_next(lease)

        with travel(seconds=3) as moment, queries(max=1):
            leases.renew([MINE, THEIRS])

        dues = [row_of(found).available_at for found in (taken, other)]
        assert dues == [moment + LEASE_DURATION] * 2
        assert row_of(third).available_at < moment + LEASE_DURATION

    def test_keeps_the_scheduled_time(self, taken, travel):
        before = row_of(taken).scheduled_at

        with travel(seconds=3):
            leases.renew([MINE])

        assert row_of(taken).scheduled_at == before

    @pytest.mark.parametrize('how', ['retried', 'dead-lettered'])
    def test_ignores_tasks_that_do_not_run(self, taken, how):
        if how == 'retried':
            leases.retry_later(taken, MINE, 'not now', SECOND)
        else:
            leases.dead_letter(taken, MINE, 'hopeless')
        before = row_of(taken)

        leases.renew([MINE])

        assert row_of(taken) == before

    def test_ignores_tasks_with_another_lease(self, taken, travel):
        before = row_of(taken)

        with travel(seconds=1):
            leases.renew([THEIRS])

        assert row_of(taken) == before


class TestComplete:
    def test_deletes_the_task(self, taken):
        leases.complete(taken, MINE)

        assert rows() == []

    def test_makes_a_task_due_again_that_was_enqueued_while_it_ran(self, single, travel):
        found = enqueue_committed(single, 'ada')
        leases.claim_next(MINE)
        enqueue_committed(single, 'ada')

        with travel(seconds=3) as moment:
            leases.complete(found, MINE)

        row = row_of(found)
        assert (row.state, row.attempts, row.lease_id, row.rerun_requested) == (
            'waiting',
            0,
            None,
            False,
        )
        assert row.available_at == row.scheduled_at == moment
        with travel(seconds=3):
            assert leases.claim_next(MINE).id == found
            leases.complete(found, MINE)
        assert rows() == []

    def test_keeps_a_rerun_that_another_worker_has_claimed(self, single, travel):
        found = enqueue_committed(single, 'ada')
        leases.claim_next(MINE)
        enqueue_committed(single, 'ada')
        with travel(seconds=LEASE_DURATION.seconds):
            leases.claim_next(THEIRS)
        before = row_of(found)

        leases.complete(found, MINE)

        assert row_of(found) == before


class TestRetryLater:
    @pytest.mark.usefixtures('travel')
    def test_makes_the_task_wait(self, taken):
        leases.retry_later(taken, MINE, 'not now', SECOND)

        row = row_of(taken)
        assert (row.state, row.lease_id, row.available_at) == ('waiting', None, now() + SECOND)
        assert (row.last_error, row.attempts) == ('not now', 1)

    def test_keeps_the_scheduled_time(self, taken):
        before = row_of(taken).scheduled_at

        leases.retry_later(taken, MINE, 'not now', SECOND)

        assert row_of(taken).scheduled_at == before


class TestDeadLetter:
    def test_makes_a_dead_letter_that_is_never_claimed(self, taken, travel):
        leases.dead_letter(taken, MINE, 'hopeless')

        row = row_of(taken)
        assert (row.state, row.available_at, row.lease_id, row.last_error) == (
            'dead',
            None,
            None,
            'hopeless',
        )
        with travel(days=365):
            assert leases.claim_next(THEIRS) is None


class TestLostLease:
    """A worker whose lease has expired can no longer change the task.

    In these tests another worker has claimed the task, or it was sent to the broker again.
    """

    @pytest.mark.parametrize(
        'step',
        [
            leases.complete,
            lambda _found, lease: leases.renew([lease]),
            lambda found, lease: leases.retry_later(found, lease, 'mine', SECOND),
            lambda found, lease: leases.dead_letter(found, lease, 'mine'),
        ],
    )
    @pytest.mark.parametrize('how', ['claimed', 'queued', 'retried', 'dead-lettered'])
    def test_changes_nothing(self, taken, step, how, travel):
        with travel(seconds=LEASE_DURATION.seconds):
            mark_queued(1) if how == 'queued' else leases.claim_next(THEIRS)
        if how == 'retried':
            leases.retry_later(taken, THEIRS, 'theirs', SECOND)
        elif how == 'dead-lettered':
            leases.dead_letter(taken, THEIRS, 'theirs')
        before = row_of(taken)

        step(taken, MINE)

        assert row_of(taken) == before


class TestLeasedBy:
    def test_returns_the_tasks_of_a_lease(self, nothing, taken):
        enqueue_committed(nothing)
        leases.claim_next(THEIRS)
        enqueue_committed(nothing)

        assert [row.id for row in leases.leased_by(MINE)] == [taken]
        assert leases.leased_by(uuid4()) == []


class TestMarkQueued:
    @pytest.mark.usefixtures('travel')
    def test_marks_no_more_than_the_limit(self, nothing):
        newest, middle, oldest = [
            enqueue_at_committed(now() - n * SECOND, nothing) for n in range(3)
        ]

        assert mark_queued(1) == [oldest]
        assert mark_queued(5) == [middle, newest]
        assert {(row.state, row.available_at) for row in rows()} == {
            ('queued', now() + QUEUED_TIMEOUT)
        }

    @pytest.mark.usefixtures('travel')
    def test_ignores_tasks_that_are_not_due(self, nothing):
        found = enqueue_at_committed(now() + SECOND, nothing)

        assert mark_queued(5) == []
        assert row_of(found).state == 'waiting'

    @pytest.mark.parametrize('order', [1, -1])
    def test_returns_the_oldest_first(self, nothing, order):
        ids = [enqueue_at_committed(now() - n * SECOND, nothing) for n in range(1, 30)[::order]]

        assert mark_queued(100) == ids[::-order]

    def test_keeps_the_scheduled_time(self, nothing, travel):
        found = enqueue_at_committed(now() - 60 * SECOND, nothing)
        before = row_of(found).scheduled_at

        assert mark_queued(1) == [found]
        assert row_of(found).scheduled_at == before
        broker_queues.requeue([found])
        assert row_of(found).scheduled_at == before
        with travel(seconds=1):
            leases.claim(found, MINE)
        assert row_of(found).scheduled_at == before

    def test_queues_a_task_again_that_did_not_start(self, nothing, travel):
        found = enqueue_committed(nothing)
        mark_queued(5)

        with travel(seconds=QUEUED_TIMEOUT.seconds - 1):
            assert mark_queued(5) == []
        with travel(seconds=QUEUED_TIMEOUT.seconds):
            assert mark_queued(5) == [found]

    def test_queues_a_task_with_an_expired_lease(self, taken, travel):
        assert mark_queued(5) == []
        with travel(seconds=LEASE_DURATION.seconds):
            assert mark_queued(5) == [taken]

    def test_ignores_dead_letters(self, nothing):
        mark_dead(enqueue_committed(nothing))

        assert mark_queued(5) == []


class TestRequeue:
    def test_makes_the_task_wait(self, nothing):
        found = enqueue_committed(nothing)
        mark_queued(1)

        broker_queues.requeue([found])

        assert row_of(found).state == 'waiting'
        assert mark_queued(1) == [found]

    def test_ignores_running_and_unnamed_tasks(self, nothing):
        begun, other = enqueue_committed(nothing), enqueue_committed(nothing)
        mark_queued(2)
        leases.claim(begun, MINE)

        broker_queues.requeue([begun])

        assert [row_of(found).state for found in (begun, other)] == ['running', 'queued']

    def test_changes_nothing_for_an_empty_list(self, nothing):
        sent = enqueue_committed(nothing)
        mark_queued(1)

        broker_queues.requeue([])

        assert row_of(sent).state == 'queued'


class TestCompleteInTransaction:
    def test_deletes_the_task_in_the_callers_transaction(self, taken):
        @atomic()
        def fail():
            leases.complete_in_transaction(taken, MINE)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert row_of(taken).lease_id == MINE

        with atomic():
            leases.complete_in_transaction(taken, MINE)
        assert rows() == []

    def test_makes_a_task_due_again_that_was_enqueued_while_it_ran(self, single):
        found = enqueue_committed(single, 'ada')
        leases.claim_next(MINE)
        enqueue_committed(single, 'ada')

        with atomic():
            leases.complete_in_transaction(found, MINE)

        row = row_of(found)
        assert (row.state, row.attempts, row.lease_id, row.rerun_requested) == (
            'waiting',
            0,
            None,
            False,
        )
        with pytest.raises(LeaseLost), atomic():
            leases.complete_in_transaction(found, MINE)

    @pytest.mark.parametrize('lease', [THEIRS, uuid4()])
    def test_raises_lease_lost_without_the_lease(self, taken, lease):
        with pytest.raises(LeaseLost), atomic():
            leases.complete_in_transaction(taken, lease)

        assert row_of(taken).lease_id == MINE

    def test_raises_outside_a_transaction(self, taken):
        with pytest.raises(RuntimeError, match='outside atomic'):
            leases.complete_in_transaction(taken, MINE)

    def test_succeeds_for_one_of_two_concurrent_callers(self, nothing, tmp_path):
        with separate_app(tmp_path) as app:
            found = enqueue_committed(nothing)
            leases.claim_next(MINE)

            def complete():
                try:
                    with atomic():
                        leases.complete_in_transaction(found, MINE)
                except LeaseLost:
                    return 'lost'
                return 'done'

            assert sorted(run_concurrently(app, complete, complete)) == ['done', 'lost']
