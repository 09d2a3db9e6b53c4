"""The processes that run tasks: claim, lease, outcome and stop."""

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
from project.core.tasks import leases
from tests.tasks import task

from ..outbox import enqueue_committed, row_of, rows
from .process_sync import ProcessPipe, until

pytestmark = pytest.mark.usefixtures('no_tasks')

SECOND = timedelta(seconds=1)


class TestSlotWatchdog:
    def test_reports_one_task_at_a_time_to_its_slot(self):
        slot = WorkerSlot('worker', run_worker())
        watch = SlotWatchdog(slot)

        watch.start_watch(uuid4(), -SECOND)
        assert slot.is_busy
        assert slot.is_overdue

        watch.stop_watch()
        assert not slot.is_busy
        assert not slot.is_overdue

    def test_keeps_a_deadline_for_the_storing_of_the_outcome(self, monkeypatch):
        monkeypatch.setattr(workers, 'STEP_TIMEOUT', -SECOND)
        slot = WorkerSlot('worker', run_worker())
        watch = SlotWatchdog(slot)

        watch.start_watch(uuid4(), SECOND * 60)
        watch.stop_watch()

        assert slot.is_overdue


class TestRunWorker:
    def test_runs_all_due_tasks_when_it_is_notified(self, own_app):
        nothing = task(name='nothing')(lambda: None)
        slot = WorkerSlot('worker', run_worker())
        calls = []

        def condition():
            calls.append(1)
            if len(calls) == 3:
                enqueue_committed(nothing)
                enqueue_committed(nothing)
                slot.wakeup.notify()
            return len(calls) > 3 and not rows()

        Supervisor(own_app, [slot]).run(until(condition))

    def test_counts_the_attempt_of_a_task_that_killed_its_process(self, own_app):
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

    def test_counts_the_attempt_of_a_task_that_exceeded_its_time_limit(self, own_app):
        slow = task(name='slow', attempts=1, time_limit=SECOND / 5)(lambda: Event().wait())
        found = enqueue_committed(slow)

        Supervisor(own_app, [WorkerSlot('worker', run_worker())]).run(
            until(lambda: row_of(found).state == 'dead')
        )

        assert row_of(found).last_error == 'it exceeded its time limit and was killed'

    def test_keeps_its_lease_while_a_task_keeps_its_interpreter_busy(self, own_app, monkeypatch):
        monkeypatch.setattr(leases, 'LEASE_RENEWAL_SECONDS', 0.0)
        begun = ProcessPipe()

        def run():
            begun.send()
            # PyDLL keeps the GIL: no other thread of this process runs until a signal ends it.
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

    def test_is_killed_when_a_database_step_hangs(self, own_app, monkeypatch, tmp_path):
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
    def test_abandons_a_task_whose_outcome_it_could_not_store(self, own_app, monkeypatch, tmp_path):
        """The database fails only when the worker stores the outcome of the first task.

        The worker process continues with the next task. In the meantime it does not renew the lease
        of the first task, so this lease expires.
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
        slot = WorkerSlot('worker', run_worker())
        for lease in (uuid4(), uuid4()):
            enqueue_committed(nothing)
            leases.claim_next(lease)
            slot.orphaned_leases.append(OrphanedLease(lease, 'it was ended'))

        Supervisor(own_app, [slot]).run(until(lambda: {row.state for row in rows()} == {'waiting'}))

        assert {row.last_error for row in rows()} == {'it was ended'}
        # The slot no longer lists these leases as orphaned: only the lease of the ended process is
        # left.
        slot.reset_for_next_process()
        assert len(slot.orphaned_leases) == 1

    def test_finishes_the_running_task_and_starts_no_other(self, own_app, tmp_path):
        begun = tmp_path / 'begun'

        def run():
            begun.touch()
            while not (tmp_path / 'may go').exists():
                Event().wait(0.01)

        first = enqueue_committed(task(name='run')(run))
        second = enqueue_committed(task(name='nothing')(lambda: None))
        ended = []

        def goes_on():
            # The supervisor also calls `goes_on` while it waits for its processes to end.
            if ended:
                (tmp_path / 'may go').touch()
            ended.append(1) if begun.exists() else None
            return not ended

        Supervisor(own_app, [WorkerSlot('worker', run_worker())]).run(goes_on)

        assert [row.id for row in rows()] == [second]
        assert first != second

    @pytest.mark.slow('the supervisor looks five times before the database is back')
    def test_continues_when_the_database_is_available_again(self, own_app):
        nothing = task(name='nothing')(lambda: None)
        db.drop_all()
        slot, calls = WorkerSlot('worker', run_worker()), []

        def condition():
            calls.append(1)
            if len(calls) == 5:
                db.create_all()
                enqueue_committed(nothing)
                slot.wakeup.notify()
            return len(calls) > 5 and not rows()

        Supervisor(own_app, [slot]).run(until(condition))

        assert slot.orphaned_leases == []


class TestRunBrokerWorker:
    def test_runs_only_the_delivered_tasks(self, own_app, monkeypatch):
        nothing = task(name='nothing')(lambda: None)
        delivered, other = enqueue_committed(nothing), enqueue_committed(nothing)
        done = ProcessPipe()

        class FakeBroker:
            def __init__(self, url):
                assert url == 'fake:'

            def consume(self, queue, handle, wait):
                assert queue == 'default'
                for task_id in (delivered, uuid4(), delivered):
                    handle(str(task_id))
                done.send()
                wait()

        monkeypatch.setattr(workers, 'TaskBroker', FakeBroker)

        Supervisor(own_app, [WorkerSlot('worker', run_broker_worker('fake:', 'default'))]).run(
            until(lambda: len(rows()) == 1)
        )

        assert done.receive() == b'!'
        assert [row.id for row in rows()] == [other]

    def test_releases_the_lease_of_its_slot(self, own_app, monkeypatch):
        class FakeBroker:
            def __init__(self, url):
                """Accept any URL, and connect to nothing."""

            def consume(self, queue, handle, wait):
                wait()

        monkeypatch.setattr(workers, 'TaskBroker', FakeBroker)
        found, lease = enqueue_committed(task(name='nothing')(lambda: None)), uuid4()
        leases.claim_next(lease)
        slot = WorkerSlot(
            'worker',
            run_broker_worker('fake:', 'default'),
            orphaned_leases=[OrphanedLease(lease, 'it was ended')],
        )

        Supervisor(own_app, [slot]).run(until(lambda: row_of(found).state == 'waiting'))
