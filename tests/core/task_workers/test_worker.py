"""The processes that make attempts at tasks."""

import ctypes
import os
import signal
from datetime import timedelta
from threading import Event
from uuid import uuid4

import pytest
from sqlalchemy.exc import OperationalError

from project.core.clock import now
from project.core.database.session import db
from project.core.task_workers import worker as workers
from project.core.task_workers.dispatcher import dispatch
from project.core.task_workers.supervisor import Supervisor
from project.core.task_workers.worker import (
    SlotWatchdog,
    run_broker_worker,
    run_worker,
)
from project.core.task_workers.worker_slot import OrphanedLease, WorkerSlot
from project.core.tasks import leases, task

from ..outbox import enqueue_committed, row_of, rows
from .process_sync import Line, until

pytestmark = pytest.mark.usefixtures('no_tasks')

SECOND = timedelta(seconds=1)


class TestWatch:
    def test_reports_one_task_at_a_time_to_its_slot(self):
        seat = WorkerSlot('worker', run_worker())
        watch = SlotWatchdog(seat)

        watch.start_watch(uuid4(), -SECOND)
        assert seat.is_busy
        assert seat.is_overdue

        watch.stop_watch()
        assert not seat.is_busy
        assert not seat.is_overdue

    def test_leaves_a_step_s_time_for_what_is_to_be_written_down(self, monkeypatch):
        monkeypatch.setattr(workers, 'STEP_TIMEOUT', -SECOND)
        seat = WorkerSlot('worker', run_worker())
        watch = SlotWatchdog(seat)

        watch.start_watch(uuid4(), SECOND * 60)
        watch.stop_watch()

        assert seat.is_overdue


class TestWork:
    def test_does_all_that_is_due_when_it_is_rung(self, own_app):
        nothing = task(name='nothing')(lambda: None)
        seat = WorkerSlot('worker', run_worker())
        asked = []

        def condition():
            asked.append(1)
            if len(asked) == 3:
                enqueue_committed(nothing)
                enqueue_committed(nothing)
                seat.wakeup.notify()
            return len(asked) > 3 and not rows()

        Supervisor(own_app, [seat]).run(until(condition))

    def test_counts_an_attempt_at_what_killed_its_process(self, own_app):
        def kill():
            os.kill(os.getpid(), signal.SIGKILL)

        poison = enqueue_committed(task(name='poison', attempts=1)(kill))
        enqueue_committed(task(name='healthy')(lambda: None))

        Supervisor(own_app, [WorkerSlot('worker', run_worker())]).run(
            until(lambda: len(rows()) == 1)
        )

        row = row_of(poison)
        assert (row.state, row.attempts, row.last_error) == (
            'dead',
            1,
            'its process ended (signal 9)',
        )

    def test_counts_an_attempt_at_what_took_too_long(self, own_app):
        slow = task(name='slow', attempts=1, time_limit=SECOND / 5)(lambda: Event().wait())
        found = enqueue_committed(slow)

        Supervisor(own_app, [WorkerSlot('worker', run_worker())]).run(
            until(lambda: row_of(found).state == 'dead')
        )

        assert row_of(found).last_error == 'it took longer than its time limit, and was ended'

    def test_is_renewed_although_a_task_keeps_its_interpreter_busy(self, own_app, monkeypatch):
        monkeypatch.setattr(leases, 'LEASE_RENEWAL_SECONDS', 0.0)
        begun = Line()

        def run():
            begun.say()
            # It lets nothing else happen in its process until a signal ends it.
            ctypes.PyDLL(None).pause()

        enqueue_committed(task(name='run')(run))
        worker = WorkerSlot('worker', run_worker())
        dues = set()

        def condition():
            dues.update(row.available_at for row in rows() if row.state == 'running')
            return len(dues) >= 3

        Supervisor(own_app, [worker, WorkerSlot('dispatcher', dispatch([worker]))]).run(
            until(condition)
        )

        assert begun.receive() == b'!'

    def test_is_ended_when_a_step_with_the_database_hangs(self, own_app, monkeypatch, tmp_path):
        monkeypatch.setattr(workers, 'STEP_TIMEOUT', SECOND / 5)
        claim_next = leases.claim_next

        def hang(*arguments):
            if not (tmp_path / 'hung').exists():
                (tmp_path / 'hung').touch()
                Event().wait()
            return claim_next(*arguments)

        monkeypatch.setattr(leases, 'claim_next', hang)
        enqueue_committed(task(name='nothing')(lambda: None))

        Supervisor(own_app, [WorkerSlot('worker', run_worker())]).run(until(lambda: not rows()))

        assert (tmp_path / 'hung').exists()

    @pytest.mark.slow('the shortest lease is a second')
    def test_lets_go_of_what_it_could_not_write_down(self, own_app, monkeypatch, tmp_path):
        """The database was away for just that long, and the process is the same. It keeps nobody
        from the task that it works on next.
        """
        monkeypatch.setattr(leases, 'LEASE_DURATION', SECOND)
        monkeypatch.setattr(leases, 'LEASE_RENEWAL_SECONDS', 0.0)
        finish = leases.complete

        def fail(*held):
            if not (tmp_path / 'failed').exists():
                (tmp_path / 'failed').write_text(str(os.getpid()))
                raise OperationalError('DELETE', {}, Exception('gone\nfor good'))
            (tmp_path / 'finished').write_text(str(os.getpid()))
            finish(*held)

        monkeypatch.setattr(leases, 'complete', fail)

        def wait():
            while not (tmp_path / 'lapsed').exists():
                Event().wait(0.01)

        lost = enqueue_committed(task(name='run')(lambda: None))
        enqueue_committed(task(name='wait')(wait))
        worker = WorkerSlot('worker', run_worker())

        def condition():
            for row in rows():
                if row.id == lost and row.state == 'running' and row.available_at <= now():
                    (tmp_path / 'lapsed').touch()
            return not rows()

        Supervisor(own_app, [worker, WorkerSlot('dispatcher', dispatch([worker]))]).run(
            until(condition)
        )

        assert (tmp_path / 'failed').read_text() == (tmp_path / 'finished').read_text()

    def test_releases_all_leases_of_its_slot(self, own_app):
        nothing = task(name='nothing')(lambda: None)
        seat = WorkerSlot('worker', run_worker())
        for lease in (uuid4(), uuid4()):
            enqueue_committed(nothing)
            leases.claim_next(lease)
            seat.orphaned_leases.append(OrphanedLease(lease, 'it was ended'))

        Supervisor(own_app, [seat]).run(until(lambda: {row.state for row in rows()} == {'waiting'}))

        assert {row.last_error for row in rows()} == {'it was ended'}
        # It has said so: who sits here next is told of nobody but this one.
        seat.reset_for_next_process()
        assert len(seat.orphaned_leases) == 1

    def test_finishes_what_runs_and_begins_nothing_more(self, own_app, tmp_path):
        begun = tmp_path / 'begun'

        def run():
            begun.touch()
            while not (tmp_path / 'may go').exists():
                Event().wait(0.01)

        first = enqueue_committed(task(name='run')(run))
        second = enqueue_committed(task(name='nothing')(lambda: None))
        ended = []

        def goes_on():
            # Asked while the crew lets its processes finish as well.
            if ended:
                (tmp_path / 'may go').touch()
            ended.append(1) if begun.exists() else None
            return not ended

        Supervisor(own_app, [WorkerSlot('worker', run_worker())]).run(goes_on)

        assert [row.id for row in rows()] == [second]
        assert first != second

    @pytest.mark.slow('the supervisor looks five times before the database is back')
    def test_goes_on_when_the_database_is_there_again(self, own_app):
        nothing = task(name='nothing')(lambda: None)
        db.drop_all()
        seat, asked = WorkerSlot('worker', run_worker()), []

        def condition():
            asked.append(1)
            if len(asked) == 5:
                db.create_all()
                enqueue_committed(nothing)
                seat.wakeup.notify()
            return len(asked) > 5 and not rows()

        Supervisor(own_app, [seat]).run(until(condition))

        assert seat.orphaned_leases == []


class TestRunBrokerWorker:
    def test_does_what_is_brought_and_nothing_else(self, own_app, monkeypatch):
        nothing = task(name='nothing')(lambda: None)
        brought, other = enqueue_committed(nothing), enqueue_committed(nothing)
        done = Line()

        class Engine:
            def __init__(self, url):
                assert url == 'fake:'

            def consume(self, queue, handle, wait):
                assert queue == 'default'
                for task_id in (brought, uuid4(), brought):
                    handle(str(task_id))
                done.say()
                wait()

        monkeypatch.setattr(workers, 'TaskBroker', Engine)

        Supervisor(own_app, [WorkerSlot('worker', run_broker_worker('fake:', 'default'))]).run(
            until(lambda: len(rows()) == 1)
        )

        assert done.receive() == b'!'
        assert [row.id for row in rows()] == [other]

    def test_releases_the_lease_of_its_slot(self, own_app, monkeypatch):
        class Engine:
            def __init__(self, url):
                """Connect to nothing."""

            def consume(self, queue, handle, wait):
                wait()

        monkeypatch.setattr(workers, 'TaskBroker', Engine)
        found, lease = enqueue_committed(task(name='nothing')(lambda: None)), uuid4()
        leases.claim_next(lease)
        seat = WorkerSlot(
            'worker',
            run_broker_worker('fake:', 'default'),
            orphaned_leases=[OrphanedLease(lease, 'it was ended')],
        )

        Supervisor(own_app, [seat]).run(until(lambda: row_of(found).state == 'waiting'))
