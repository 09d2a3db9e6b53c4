"""The outbox: tasks are enqueued in the transaction of the caller."""

import time
from datetime import timedelta
from functools import partial
from threading import Event
from uuid import uuid4

import pytest
from sqlalchemy import text

from project.core.clock import now
from project.core.database.session import atomic, db
from project.core.request_context import RequestContext, set_request_context
from project.core.tasks import enqueue, enqueue_at, leases
from project.core.tasks.notifications import WakeupPipe
from project.core.tasks.registry import require_task
from project.core.tasks.serialization import deserialize
from tests.concurrency import run_concurrently, separate_app
from tests.kit.tasks import run_pending_tasks
from tests.tasks import task

from ..outbox import (
    enqueue_at_committed,
    enqueue_committed,
    listening,
    mark_dead,
    mark_queued,
    row_of,
    rows,
)

pytestmark = pytest.mark.usefixtures('no_tasks')

MINE = uuid4()
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
PIN = '012345'


def greet(name, pin=None):
    """Accept a name and a secret PIN, and do nothing."""


@pytest.fixture
def greeting():
    """Return `greet` as a task that can be enqueued several times with the same arguments."""
    return task(name='greet', encrypted=['pin'])(greet)


@pytest.fixture
def single():
    """Return a task that can wait only once for the same `name`."""
    return task(name='single', unique=['name'])(lambda name: None)


class TestEnqueue:
    @pytest.mark.usefixtures('travel')
    def test_stores_the_task(self, greeting):
        set_request_context(RequestContext(request_id='a-request'))
        found = enqueue_committed(greeting, 'ada')

        row = row_of(found)
        assert (row.name, row.arguments, row.request_id) == (
            'greet', '{"name":"ada"}', 'a-request',
        )  # fmt: skip
        assert (row.state, row.attempts, row.lease_id, row.last_error) == ('waiting', 0, None, None)
        assert row.available_at == row.created_at == now()

    def test_runs_one_insert(self, greeting, single, queries):
        with atomic(), queries(max=1) as statements:
            enqueue(greeting, 'ada', pin=PIN)
        assert statements[0].startswith('INSERT INTO core_tasks')

        for _ in range(2):
            with atomic(), queries(max=1):
                enqueue(single, 'ada')

    def test_raises_outside_a_transaction(self, greeting):
        with pytest.raises(RuntimeError, match=r'enqueue\(\) outside atomic'):
            enqueue(greeting, 'ada')

        assert rows() == []

    def test_stores_nothing_when_the_transaction_fails(self, greeting):
        with pytest.raises(ZeroDivisionError):
            enqueue_and_fail(greeting, 'ada')

        assert rows() == []

    def test_is_visible_to_others_only_after_the_commit(self, greeting, tmp_path):
        with separate_app(tmp_path) as app:
            with atomic():
                enqueue(greeting, 'ada')
                assert run_concurrently(app, rows) == [[]]

            [[row]] = run_concurrently(app, rows)
            assert row.name == 'greet'

    def test_rejects_a_function_that_is_not_a_task(self):
        with pytest.raises(RuntimeError, match='is not a @task'), atomic():
            enqueue(greet, 'ada')

    @pytest.mark.parametrize(
        ('name', 'error'), [(('a', 'b'), TypeError), ('x' * 65_537, ValueError)]
    )
    def test_rejects_arguments_that_are_not_json_or_too_large(self, greeting, name, error):
        with pytest.raises(error), atomic():
            enqueue(greeting, name)

        assert rows() == []

    def test_encrypts_secrets(self, greeting):
        enqueue_committed(greeting, 'ada', pin=PIN)

        [row] = rows()
        assert row.encrypted_arguments
        assert PIN not in repr(tuple(row))

    def test_notifies_only_after_the_commit(self, greeting, tmp_path):
        with separate_app(tmp_path) as app, listening(app) as notifier:
            with pytest.raises(ZeroDivisionError):
                enqueue_and_fail(greeting, 'ada')
            assert waited_for(notifier, 0.2) >= 0.2

            enqueue_committed(greeting, 'ada')
            assert waited_for(notifier, 20) < 10


@atomic()
def enqueue_and_fail(function, *args):
    """Enqueue a task in a transaction that fails."""
    enqueue(function, *args)
    raise ZeroDivisionError


def waited_for(notifier, seconds):
    """Wait for a notification for at most `seconds`; return the seconds that this took."""
    began = now()
    notifier.wait(seconds, WakeupPipe())
    return (now() - began).total_seconds()


def wait_until_another_session_waits_for_a_lock():
    """Wait until a PostgreSQL session waits for a lock that this transaction holds."""
    waiting = text(
        'SELECT count(*) FROM pg_stat_activity '
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + 10
    while not db.session.execute(waiting).scalar_one():
        assert time.monotonic() < deadline
        # PostgreSQL otherwise keeps its statistics unchanged until the transaction ends.
        db.session.execute(text('SELECT pg_stat_clear_snapshot()'))


class TestEnqueueUnique:
    def test_keeps_one_waiting_task_if_it_is_unique(self, single):
        first, second, other = (
            enqueue_committed(single, 'ada'),
            enqueue_committed(single, 'ada'),
            enqueue_committed(single, 'eve'),
        )

        assert first == second != other
        assert len(rows()) == 2

    def test_keeps_all_tasks_that_are_not_unique(self, greeting):
        assert enqueue_committed(greeting, 'ada') != enqueue_committed(greeting, 'ada')

    def test_keeps_different_tasks_with_the_same_arguments(self, single):
        other = task(name='other', unique=['name'])(lambda name: name)

        assert enqueue_committed(single, 'ada') != enqueue_committed(other, 'ada')

    @pytest.mark.usefixtures('travel')
    def test_uses_the_earlier_of_two_times(self, single):
        found = enqueue_at_committed(now() + MINUTE, single, 'ada')

        enqueue_at_committed(now() + 2 * MINUTE, single, 'ada')
        assert row_of(found).available_at == now() + MINUTE

        enqueue_committed(single, 'ada')
        assert row_of(found).available_at == now()

    @pytest.mark.usefixtures('travel')
    def test_requests_a_rerun_of_a_running_task(self, app, single, travel):
        found = enqueue_committed(single, 'ada')
        leases.claim_next(MINE)
        before = row_of(found)

        with travel(seconds=1):
            assert enqueue_committed(single, 'ada') == found

        row = row_of(found)
        assert (row.state, row.lease_id, row.available_at) == ('running', MINE, before.available_at)
        assert (row.rerun_requested, row.attempts) == (True, 1)
        leases.complete(found, MINE)
        assert run_pending_tasks(app) == 1
        assert rows() == []

    def test_reruns_a_task_once_after_several_requests(self, app, single):
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
        ids=['dead-lettered', 'failed'],
    )
    def test_reruns_a_task_at_once_even_if_it_failed(self, app, single, end):
        found = enqueue_committed(single, 'ada')
        leases.claim_next(MINE)
        enqueue_committed(single, 'ada')

        end(found)

        row = row_of(found)
        assert (row.state, row.rerun_requested, row.attempts) == ('waiting', False, 0)
        assert run_pending_tasks(app) == 1

    def test_replaces_the_arguments_of_a_dead_letter(self):
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

    def test_reruns_a_task_that_enqueues_itself(self, app):
        ran = []

        @task(name='itself', unique=[])
        def run():
            ran.append(1)
            if len(ran) < 3:
                enqueue_committed(run)

        enqueue_committed(run)

        assert run_pending_tasks(app) == 3
        assert rows() == []

    @pytest.mark.usefixtures('travel')
    @pytest.mark.parametrize(('wait', 'due'), [(MINUTE, 0), (-MINUTE, -1)])
    def test_keeps_a_failed_task_and_uses_the_earlier_time(self, single, wait, due):
        found = enqueue_committed(single, 'ada')
        leases.claim_next(MINE)
        leases.retry_later(found, MINE, 'not now', wait)

        assert enqueue_committed(single, 'ada') == found

        [row] = rows()
        assert (row.state, row.attempts, row.last_error) == ('waiting', 1, 'not now')
        assert row.available_at == now() + due * MINUTE

    @pytest.mark.usefixtures('travel')
    @pytest.mark.parametrize('wait', [-MINUTE, MINUTE])
    def test_revives_a_dead_letter(self, single, wait):
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
    def test_does_not_change_the_lease_of_a_queued_or_running_task(self, single, state):
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

    @pytest.mark.parametrize('complete_with', ['complete', 'complete_in_transaction'])
    def test_is_not_lost_when_the_task_completes_before_the_commit(
        self, single, tmp_path, complete_with
    ):
        """On SQLite one of the two transactions waits for the other; both orders are correct."""
        with separate_app(tmp_path) as app:
            found = enqueue_committed(single, 'ada')
            leases.claim_next(MINE)
            enqueued = Event()

            def enqueue_again():
                with atomic():
                    enqueue(single, 'ada')
                    enqueued.set()
                    if app.extensions['task_notifier'].is_in_database:
                        wait_until_another_session_waits_for_a_lock()

            def complete():
                enqueued.wait(10)
                if complete_with == 'complete':
                    leases.complete(found, MINE)
                else:
                    with atomic():
                        leases.complete_in_transaction(found, MINE)

            run_concurrently(app, enqueue_again, complete)

            [row] = rows()
            assert (row.id, row.state, row.attempts, row.rerun_requested) == (
                found,
                'waiting',
                0,
                False,
            )
            assert run_pending_tasks(app) == 1

    def test_is_never_lost_in_a_race_with_completion(self, single, tmp_path):
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

    def test_creates_one_task_for_many_concurrent_callers(self, single, tmp_path):
        with separate_app(tmp_path) as app:
            ids = run_concurrently(app, *[lambda: enqueue_committed(single, 'ada')] * 6)

            assert len(set(ids)) == 1
            assert len(rows()) == 1


class TestEnqueueAt:
    def test_is_not_due_before_the_given_time(self, greeting, travel):
        found = enqueue_at_committed(now() + MINUTE, greeting, 'ada')

        assert leases.claim_next(uuid4()) is None
        travel(MINUTE)
        assert leases.claim_next(uuid4()).id == found

    def test_raises_outside_a_transaction(self, greeting):
        with pytest.raises(RuntimeError, match='outside atomic'):
            enqueue_at(now(), greeting, 'ada')
