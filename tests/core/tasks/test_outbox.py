"""What is to be done later, written down in the transaction that wants it done."""

import time
from datetime import timedelta
from functools import partial
from threading import Event
from uuid import uuid4

import pytest
import time_machine
from sqlalchemy import text

from project.core.clock import now
from project.core.database.session import atomic, db
from project.core.request_context import RequestContext, set_request_context
from project.core.tasks import enqueue, enqueue_at, leases, task
from project.core.tasks.notifications import WakeupPipe
from project.core.tasks.registry import require_task
from project.core.tasks.serialization import deserialize
from tests.concurrency import run_concurrently, separate_app
from tests.pending_tasks import run_pending_tasks

from ..outbox import (
    enqueue_at_committed,
    enqueue_committed,
    listening,
    mark_dead,
    mark_queued,
    row_of,
    rows,
    travel_forward,
)

pytestmark = pytest.mark.usefixtures('no_tasks')

MINE = uuid4()
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
PIN = '012345'


def greet(name, pin=None):
    """Take a name and a secret."""


@pytest.fixture
def greeting():
    """The function as a task of which each one counts."""
    return task(name='greet', encrypted=['pin'])(greet)


@pytest.fixture
def single():
    """The function as a task of which one a name is enough."""
    return task(name='single', unique=['name'])(lambda name: None)


class TestEnqueue:
    @time_machine.travel(now(), tick=False)
    def test_writes_down_what_is_to_be_done(self, greeting):
        set_request_context(RequestContext(request_id='a-request'))
        found = enqueue_committed(greeting, 'ada')

        row = row_of(found)
        assert (row.name, row.arguments, row.request_id) == (
            'greet', '{"name":"ada"}', 'a-request',
        )  # fmt: skip
        assert (row.state, row.attempts, row.lease_id, row.last_error) == ('waiting', 0, None, None)
        assert row.available_at == row.created_at == now()

    def test_costs_one_insert(self, greeting, single, assert_max_queries):
        with atomic(), assert_max_queries(1) as statements:
            enqueue(greeting, 'ada', pin=PIN)
        assert statements[0].startswith('INSERT INTO core_tasks')

        for _ in range(2):
            with atomic(), assert_max_queries(1):
                enqueue(single, 'ada')

    def test_raises_outside_a_transaction(self, greeting):
        with pytest.raises(RuntimeError, match=r'enqueue\(\) outside atomic'):
            enqueue(greeting, 'ada')

        assert rows() == []

    def test_never_happened_if_the_transaction_did_not(self, greeting):
        with pytest.raises(ZeroDivisionError):
            put_and_reject(greeting, 'ada')

        assert rows() == []

    def test_is_seen_by_others_once_it_is_committed_and_not_before(self, greeting, tmp_path):
        with separate_app(tmp_path) as app:
            with atomic():
                enqueue(greeting, 'ada')
                assert run_concurrently(app, rows) == [[]]

            [[row]] = run_concurrently(app, rows)
            assert row.name == 'greet'

    def test_rejects_what_is_no_task(self):
        with pytest.raises(RuntimeError, match='is no @task'), atomic():
            enqueue(greet, 'ada')

    @pytest.mark.parametrize(
        ('name', 'refusal'), [(('a', 'b'), TypeError), ('x' * 65_537, ValueError)]
    )
    def test_rejects_what_is_no_json_or_too_much_of_it(self, greeting, name, refusal):
        with pytest.raises(refusal), atomic():
            enqueue(greeting, name)

        assert rows() == []

    def test_seals_what_is_secret(self, greeting):
        enqueue_committed(greeting, 'ada', pin=PIN)

        [row] = rows()
        assert row.encrypted_arguments
        assert PIN not in repr(tuple(row))

    def test_rings_when_it_is_committed_and_not_before(self, greeting, tmp_path):
        with separate_app(tmp_path) as app, listening(app) as bell:
            with pytest.raises(ZeroDivisionError):
                put_and_reject(greeting, 'ada')
            assert waited_for(bell, 0.2) >= 0.2

            enqueue_committed(greeting, 'ada')
            assert waited_for(bell, 20) < 10


@atomic()
def put_and_reject(function, *args):
    """Enqueue a task in a transaction that is refused."""
    enqueue(function, *args)
    raise ZeroDivisionError


def waited_for(bell, seconds):
    """Return for how long a bell was waited for."""
    began = now()
    bell.wait(seconds, WakeupPipe())
    return (now() - began).total_seconds()


def until_somebody_waits_for_a_lock():
    """Return once PostgreSQL has somebody wait for what this transaction has touched."""
    waiting = text(
        'SELECT count(*) FROM pg_stat_activity '
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + 10
    while not db.session.execute(waiting).scalar_one():
        assert time.monotonic() < deadline
        # What it says is otherwise the same for as long as a transaction lasts.
        db.session.execute(text('SELECT pg_stat_clear_snapshot()'))


class TestEnqueueUnique:
    def test_leaves_the_one_that_waits_where_one_is_enough(self, single):
        first, second, other = (
            enqueue_committed(single, 'ada'),
            enqueue_committed(single, 'ada'),
            enqueue_committed(single, 'eve'),
        )

        assert first == second != other
        assert len(rows()) == 2

    def test_keeps_each_where_each_one_counts(self, greeting):
        assert enqueue_committed(greeting, 'ada') != enqueue_committed(greeting, 'ada')

    def test_does_not_mistake_one_task_for_another(self, single):
        other = task(name='other', unique=['name'])(lambda name: name)

        assert enqueue_committed(single, 'ada') != enqueue_committed(other, 'ada')

    @time_machine.travel(now(), tick=False)
    def test_runs_at_the_sooner_of_two_moments(self, single):
        found = enqueue_at_committed(now() + MINUTE, single, 'ada')

        enqueue_at_committed(now() + 2 * MINUTE, single, 'ada')
        assert row_of(found).available_at == now() + MINUTE

        enqueue_committed(single, 'ada')
        assert row_of(found).available_at == now()

    @time_machine.travel(now(), tick=False)
    def test_has_the_one_that_runs_run_again(self, app, single):
        found = enqueue_committed(single, 'ada')
        leases.claim_next(MINE)
        before = row_of(found)

        with travel_forward(seconds=1):
            assert enqueue_committed(single, 'ada') == found

        row = row_of(found)
        assert (row.state, row.lease_id, row.available_at) == ('running', MINE, before.available_at)
        assert (row.rerun_requested, row.attempts) == (True, 1)
        leases.complete(found, MINE)
        assert run_pending_tasks(app) == 1
        assert rows() == []

    def test_has_it_run_once_more_however_often_it_was_wanted_while_it_ran(self, app, single):
        found = enqueue_committed(single, 'ada')
        leases.claim_next(MINE)
        for _ in range(3):
            enqueue_committed(single, 'ada')

        leases.complete(found, MINE)

        assert run_pending_tasks(app) == 1

    @pytest.mark.parametrize(
        'end',
        [
            lambda found: leases.dead_letter(found, MINE, 'hopeless'),
            lambda found: leases.retry_later(found, MINE, 'not now', 15 * MINUTE),
        ],
        ids=['given up', 'failed'],
    )
    def test_has_it_run_once_more_at_once_although_it_fails(self, app, single, end):
        found = enqueue_committed(single, 'ada')
        leases.claim_next(MINE)
        enqueue_committed(single, 'ada')

        end(found)

        row = row_of(found)
        assert (row.state, row.rerun_requested, row.attempts) == ('waiting', False, 0)
        assert run_pending_tasks(app) == 1

    def test_gives_the_dead_one_what_it_is_wanted_with_now(self):
        kept = task(name='kept', unique=['name'], encrypted=['pin'])(lambda name, size, pin: None)
        found = enqueue_committed(kept, 'ada', 1, '012345')
        before = row_of(found)
        mark_dead(found)

        assert enqueue_committed(kept, 'ada', 2, '543210') == found

        row = row_of(found)
        assert deserialize(require_task(kept), row.arguments, row.encrypted_arguments) == {
            'name': 'ada', 'size': 2, 'pin': '543210',
        }  # fmt: skip
        assert row.encrypted_arguments != before.encrypted_arguments

    def test_has_run_again_what_wants_itself(self, app):
        ran = []

        @task(name='itself', unique=[])
        def run():
            ran.append(1)
            if len(ran) < 3:
                enqueue_committed(run)

        enqueue_committed(run)

        assert run_pending_tasks(app) == 3
        assert rows() == []

    @time_machine.travel(now(), tick=False)
    @pytest.mark.parametrize(('wait', 'due'), [(MINUTE, 0), (-MINUTE, -1)])
    def test_leaves_the_one_that_failed_and_runs_it_at_the_sooner_moment(self, single, wait, due):
        found = enqueue_committed(single, 'ada')
        leases.claim_next(MINE)
        leases.retry_later(found, MINE, 'not now', wait)

        assert enqueue_committed(single, 'ada') == found

        [row] = rows()
        assert (row.state, row.attempts, row.last_error) == ('waiting', 1, 'not now')
        assert row.available_at == now() + due * MINUTE

    @time_machine.travel(now(), tick=False)
    @pytest.mark.parametrize('wait', [-MINUTE, MINUTE])
    def test_revives_the_one_that_was_given_up(self, single, wait):
        found = enqueue_committed(single, 'ada')
        leases.claim_next(MINE)
        leases.dead_letter(found, MINE, 'hopeless')
        moment = now() + wait

        assert enqueue_at_committed(moment, single, 'ada') == found

        [row] = rows()
        assert (row.state, row.attempts, row.lease_id, row.rerun_requested) == (
            'waiting',
            0,
            None,
            False,
        )
        assert row.available_at == row.scheduled_at == moment

    @pytest.mark.parametrize('state', ['queued', 'running'])
    def test_leaves_what_is_under_way_to_who_has_it(self, single, state):
        found = enqueue_at_committed(now() - SECOND, single, 'ada')
        mark_queued(1) if state == 'queued' else leases.claim_next(MINE)
        before = row_of(found)
        sooner = before.scheduled_at - MINUTE

        enqueue_committed(single, 'ada')
        assert row_of(found).scheduled_at == before.scheduled_at
        enqueue_at_committed(sooner, single, 'ada')

        row = row_of(found)
        assert (row.state, row.lease_id, row.available_at) == (
            state,
            before.lease_id,
            before.available_at,
        )
        assert row.scheduled_at == sooner
        assert row.rerun_requested == (state == 'running')

    @pytest.mark.parametrize('settle', ['complete', 'complete_in_transaction'])
    def test_is_not_lost_on_who_finishes_while_it_is_not_yet_committed(
        self, single, tmp_path, settle
    ):
        """On SQLite one waits for the other, and either order is right."""
        with separate_app(tmp_path) as app:
            found = enqueue_committed(single, 'ada')
            leases.claim_next(MINE)
            enqueued = Event()

            def want():
                with atomic():
                    enqueue(single, 'ada')
                    enqueued.set()
                    if app.extensions['task_notifier'].is_in_database:
                        until_somebody_waits_for_a_lock()

            def finish():
                enqueued.wait(10)
                if settle == 'finish':
                    leases.complete(found, MINE)
                else:
                    with atomic():
                        leases.complete_in_transaction(found, MINE)

            run_concurrently(app, want, finish)

            [row] = rows()
            assert (row.id, row.state, row.attempts, row.rerun_requested) == (
                found,
                'waiting',
                0,
                False,
            )
            assert run_pending_tasks(app) == 1

    def test_is_never_lost_whoever_comes_first(self, single, tmp_path):
        with separate_app(tmp_path) as app:
            for _ in range(10):
                found = enqueue_committed(single, 'ada')
                leases.claim_next(MINE)

                run_concurrently(
                    app,
                    lambda: enqueue_committed(single, 'ada'),
                    partial(leases.complete, found, MINE),
                )

                assert [row.state for row in rows()] == ['waiting']
                assert run_pending_tasks(app) == 1
                assert rows() == []

    def test_makes_one_of_many_at_once(self, single, tmp_path):
        with separate_app(tmp_path) as app:
            ids = run_concurrently(app, *[lambda: enqueue_committed(single, 'ada')] * 6)

            assert len(set(ids)) == 1
            assert len(rows()) == 1


class TestEnqueueAt:
    def test_is_not_due_before_that_moment(self, greeting):
        with time_machine.travel(now(), tick=False) as clock:
            found = enqueue_at_committed(now() + MINUTE, greeting, 'ada')

            assert leases.claim_next(uuid4()) is None
            clock.shift(MINUTE)
            assert leases.claim_next(uuid4()).id == found

    def test_raises_outside_a_transaction(self, greeting):
        with pytest.raises(RuntimeError, match='outside atomic'):
            enqueue_at(now(), greeting, 'ada')
