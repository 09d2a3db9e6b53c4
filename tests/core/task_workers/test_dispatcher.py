"""The dispatcher: it polls the outbox, and passes due tasks to the workers or the broker."""

import time
from collections import Counter
from datetime import timedelta
from functools import partial
from select import select
from threading import Event

import pytest

from project.core.clock import now
from project.core.database.session import db
from project.core.task_workers import dispatcher
from project.core.task_workers.broker import BrokerUnavailable
from project.core.task_workers.dispatcher import (
    BROKER_POLL_SECONDS,
    POLL_INTERVAL_SECONDS,
    DispatchToBroker,
    DispatchToLocalWorkers,
    Interval,
    LeaseRenewer,
    ScheduleEnqueuer,
    dispatch,
)
from project.core.task_workers.supervisor import Supervisor
from project.core.task_workers.worker import run_worker
from project.core.task_workers.worker_slot import WorkerSlot
from project.core.tasks import leases
from project.core.tasks.leases import QUEUED_TIMEOUT
from tests.tasks import task

from ..outbox import enqueue_at_committed, enqueue_committed, row_of, rows
from .process_sync import until

pytestmark = pytest.mark.usefixtures('no_tasks')


@pytest.fixture
def nothing():
    """Return a task that does nothing."""
    return task(name='nothing')(lambda: None)


class FakeBroker:
    """A broker that accepts `accepts` tasks and then becomes unavailable.

    :param queued: the number of tasks that each queue contains at the start.
    """

    def __init__(self, accepts=10**6, queued=0):
        self.accepts = accepts
        self.queued = queued
        self.sent = []
        self.queues = Counter()

    def queue_size(self, queue):
        if not self.accepts:
            raise BrokerUnavailable('ConnectionClosed')
        return self.queued + self.queues[queue]

    def send(self, queue, task_id):
        if len(self.sent) >= self.accepts:
            raise BrokerUnavailable('ConnectionClosed')
        self.sent.append(task_id)
        self.queues[queue] += 1


class TestDispatchToLocalWorkers:
    def test_wakes_the_workers_whose_queues_have_ready_tasks(self, nothing):
        def idle(_app, _slot):
            """Do nothing; the test does not start the process of this worker."""

        roles = [('mail',), ('default', 'mail'), ('slow', 'default', 'mail')]
        workers = [WorkerSlot(queues[0], idle, queues) for queues in roles]
        dispatch_tasks = DispatchToLocalWorkers(workers)

        assert dispatch_tasks() == POLL_INTERVAL_SECONDS
        assert woken(workers) == []

        enqueue_committed(nothing)
        assert dispatch_tasks() == POLL_INTERVAL_SECONDS
        assert woken(workers) == ['default', 'slow']


def woken(workers):
    """Return the names of the workers that the dispatcher has woken."""
    return [worker.name for worker in workers if select([worker.wakeup], [], [], 0)[0]]


class TestDispatchToBroker:
    def test_polls_again_in_a_second_when_no_task_is_due(self, nothing):
        enqueue_at_committed(now() + timedelta(minutes=1), nothing)
        broker = FakeBroker()

        assert DispatchToBroker(broker)() == POLL_INTERVAL_SECONDS
        assert broker.sent == []

    def test_sends_due_tasks_and_polls_again_soon(self, nothing):
        ids = {enqueue_committed(nothing) for _ in range(3)}
        broker = FakeBroker()

        assert DispatchToBroker(broker)() == BROKER_POLL_SECONDS
        assert set(broker.sent) == ids
        assert {row.state for row in rows()} == {'queued'}

    def test_does_not_send_a_queued_task_again(self, nothing):
        enqueue_committed(nothing)
        broker = FakeBroker()

        DispatchToBroker(broker)()
        DispatchToBroker(broker)()

        assert len(broker.sent) == 1

    def test_sends_tasks_up_to_the_limit_of_the_queue(self, nothing, monkeypatch):
        monkeypatch.setitem(dispatcher.MAX_QUEUED_TASKS, 'default', 3)
        for _ in range(5):
            enqueue_committed(nothing)
        broker = FakeBroker()
        dispatch_tasks = DispatchToBroker(broker)

        sent = []
        for _ in range(3):
            assert dispatch_tasks() == BROKER_POLL_SECONDS
            sent.append(len(broker.sent))

        assert sent == [3, 3, 3]
        # As if a worker had started one task: the queue has a free place.
        broker.queued -= 1
        dispatch_tasks()
        assert len(broker.sent) == 4

    def test_sends_nothing_when_the_queue_is_full(self, nothing, monkeypatch):
        monkeypatch.setitem(dispatcher.MAX_QUEUED_TASKS, 'default', 3)
        enqueue_committed(nothing)
        broker = FakeBroker(queued=4)

        assert DispatchToBroker(broker)() == BROKER_POLL_SECONDS

        assert broker.sent == []
        assert rows()[0].state == 'waiting'

    def test_does_not_grow_the_queue_while_no_worker_runs(self, nothing, monkeypatch, travel):
        monkeypatch.setitem(dispatcher.MAX_QUEUED_TASKS, 'default', 3)
        for _ in range(5):
            enqueue_committed(nothing)
        broker = FakeBroker()
        dispatch_tasks = DispatchToBroker(broker)

        for number in range(10):
            with travel(seconds=number * QUEUED_TIMEOUT.seconds):
                dispatch_tasks()

        assert broker.queue_size('default') == 3

    def test_sends_tasks_again_that_a_broker_has_lost(self, nothing, travel):
        ids = {enqueue_committed(nothing) for _ in range(5)}
        dispatch_tasks = DispatchToBroker(FakeBroker())
        dispatch_tasks()
        dispatch_tasks.broker = FakeBroker()

        dispatch_tasks()
        assert dispatch_tasks.broker.sent == []
        with travel(seconds=QUEUED_TIMEOUT.seconds):
            dispatch_tasks()

        assert set(dispatch_tasks.broker.sent) == ids

    @pytest.mark.parametrize('order', [1, -1])
    def test_sends_the_oldest_first(self, nothing, order):
        ids = [
            enqueue_at_committed(now() - timedelta(seconds=n), nothing)
            for n in range(1, 10)[::order]
        ]
        broker = FakeBroker()

        DispatchToBroker(broker)()

        assert broker.sent == ids[::-order]

    def test_sends_each_task_to_its_queue_even_if_another_is_full(self, nothing, monkeypatch):
        monkeypatch.setitem(dispatcher.MAX_QUEUED_TASKS, 'slow', 2)
        slow = task(name='slow', queue='slow')(lambda: None)
        letter = task(name='letter', queue='mail')(lambda: None)
        for function in (slow, slow, slow, nothing, letter):
            enqueue_committed(function)
        broker = FakeBroker()

        DispatchToBroker(broker)()

        assert broker.queues == {'mail': 1, 'default': 1, 'slow': 2}

    def test_sends_no_more_tasks_of_a_user_than_their_share(self, monkeypatch):
        monkeypatch.setitem(dispatcher.MAX_QUEUED_TASKS_PER_OWNER, 'default', 3)
        work = task(name='work', owner_argument='owner')(lambda owner: None)
        for owner in (7, 7, 7, 7, 7, 8):
            enqueue_committed(work, owner)
        broker = FakeBroker()

        DispatchToBroker(broker)()

        assert Counter(row_of(found).owner_id for found in broker.sent) == {7: 3, 8: 1}

    def test_does_not_query_the_broker_when_no_task_is_due(self):
        assert DispatchToBroker(FakeBroker(accepts=0))() == POLL_INTERVAL_SECONDS

    @pytest.mark.parametrize('accepts', [0, 2])
    def test_keeps_tasks_that_an_unavailable_broker_does_not_accept(self, nothing, caplog, accepts):
        for _ in range(5):
            enqueue_committed(nothing)
        broker = FakeBroker(accepts)
        dispatch_tasks = DispatchToBroker(broker)

        assert dispatch_tasks() == POLL_INTERVAL_SECONDS

        assert sorted(row.state for row in rows()) == ['queued'] * accepts + ['waiting'] * (
            5 - accepts
        )
        assert {row.id for row in rows() if row.state == 'queued'} == set(broker.sent)
        assert 'the broker does not take tasks: ConnectionClosed' in caplog.text
        broker.accepts = 10
        dispatch_tasks()
        assert len(set(broker.sent)) == 5


class TestDispatch:
    @pytest.mark.slow('a schedule fires once a second')
    def test_notifies_workers_and_enqueues_schedules_in_a_separate_process(self, own_app, nothing):
        task(name='tick', every=timedelta(seconds=1))(lambda: None)
        worker = WorkerSlot('worker', run_worker())
        enqueue_committed(nothing)

        Supervisor(own_app, [WorkerSlot('dispatcher', dispatch([worker]))]).run(
            until(lambda: 'tick' in {row.name for row in rows()})
        )

        began = time.monotonic()
        worker.wakeup.wait(20)
        assert time.monotonic() - began < 10

    def test_sends_tasks_to_the_configured_broker(self, own_app, nothing, monkeypatch):
        monkeypatch.setattr(dispatcher, 'TaskBroker', lambda _url: FakeBroker())
        enqueue_committed(nothing)

        Supervisor(own_app, [WorkerSlot('dispatcher', dispatch([], 'redis://127.0.0.1:1'))]).run(
            until(lambda: rows()[0].state == 'queued')
        )

    @pytest.mark.parametrize('broker', ['', 'redis://127.0.0.1:1'])
    def test_renews_the_leases_of_busy_workers(self, own_app, nothing, monkeypatch, broker):
        monkeypatch.setattr(leases, 'LEASE_RENEWAL_SECONDS', 0.0)
        monkeypatch.setattr(dispatcher, 'TaskBroker', lambda _url: FakeBroker())
        worker = WorkerSlot('worker', run_worker())
        worker.begin(timedelta(minutes=1))
        found = enqueue_committed(nothing)
        leases.claim_next(worker.lease)
        first = row_of(found).available_at

        Supervisor(own_app, [WorkerSlot('dispatcher', dispatch([worker], broker))]).run(
            until(lambda: row_of(found).available_at > first)
        )

        assert row_of(found).lease_id == worker.lease

    def test_is_killed_when_it_hangs_and_replaced(self, own_app, nothing, tmp_path, monkeypatch):
        hung = tmp_path / 'hung'
        monkeypatch.setattr(dispatcher, 'POLL_TIMEOUT', timedelta(seconds=1))

        class Hanging(FakeBroker):
            def queue_size(self, queue):
                if not hung.exists():
                    hung.touch()
                    Event().wait()
                return 0

        def is_queued():
            # Extend the time limit: on a slow machine, the second dispatcher would be killed, too.
            if hung.exists():
                monkeypatch.setattr(dispatcher, 'POLL_TIMEOUT', timedelta(minutes=1))
            return rows()[0].state == 'queued'

        monkeypatch.setattr(dispatcher, 'TaskBroker', lambda _url: Hanging())
        enqueue_committed(nothing)

        Supervisor(own_app, [WorkerSlot('dispatcher', dispatch([], 'redis://127.0.0.1:1'))]).run(
            until(is_queued)
        )

        assert hung.exists()

    @pytest.mark.slow('the supervisor looks five times before the database is back')
    def test_continues_when_the_database_is_available_again(self, own_app, nothing, monkeypatch):
        db.drop_all()
        worker, calls = WorkerSlot('worker', run_worker()), []
        slot = WorkerSlot('dispatcher', dispatch([worker]))

        def condition():
            calls.append(1)
            if len(calls) == 5:
                db.create_all()
                enqueue_committed(nothing)
            return len(calls) > 5 and select([worker.wakeup], [], [], 0)[0]

        Supervisor(own_app, [slot]).run(until(condition))

        assert slot.orphaned_leases == []


class TestInterval:
    def test_calls_a_function_at_its_interval_even_if_the_clock_jumps(self, travel):
        called = []
        often, seldom = (
            Interval(0.0, partial(called.append, 'often')),
            Interval(60.0, partial(called.append, 'seldom')),
        )

        for days in (0, 1, -1):
            with travel(days=days):
                often()
                seldom()

        assert Counter(called) == {'often': 3, 'seldom': 1}


class TestScheduleEnqueuer:
    def test_checks_again_within_a_minute_even_if_the_clock_jumps(self, monkeypatch):
        task(name='daily', cron='0 3 * * *')(lambda: None)
        enqueue_schedules = ScheduleEnqueuer()
        enqueue_schedules()

        assert 0 < enqueue_schedules.next_look - time.monotonic() <= 60

    def test_runs_no_statement_while_no_schedule_can_be_due(self, queries):
        enqueue_schedules = ScheduleEnqueuer()
        enqueue_schedules()

        with queries(max=0):
            enqueue_schedules()


class TestLeaseRenewer:
    @pytest.fixture
    def worker(self):
        return WorkerSlot('worker', run_worker())

    @pytest.fixture
    def leased(self, nothing, worker):
        found = enqueue_committed(nothing)
        leases.claim_next(worker.lease)
        return found

    def test_renews_the_leases_of_busy_workers(self, leased, worker, travel):
        worker.begin(timedelta(minutes=1))

        with travel(seconds=10) as moment:
            LeaseRenewer([worker])()

        assert row_of(leased).available_at == moment + leases.LEASE_DURATION

    def test_ignores_idle_workers(self, leased, worker, queries):
        worker.begin(timedelta(minutes=1))
        worker.end()

        with queries(max=0):
            LeaseRenewer([worker, WorkerSlot('other', run_worker())])()

    def test_runs_one_statement_for_any_number_of_busy_workers(self, worker, queries):
        workers = [worker, WorkerSlot('other', run_worker())]
        for slot in workers:
            slot.begin(timedelta(minutes=1))

        with queries(max=1):
            LeaseRenewer(workers)()

    def test_waits_for_its_interval(self, leased, worker, monkeypatch, queries):
        worker.begin(timedelta(minutes=1))
        renewals = LeaseRenewer([worker])
        renewals()

        with queries(max=0):
            renewals()
        monkeypatch.setattr(leases, 'LEASE_RENEWAL_SECONDS', 0.0)
        with queries(max=1) as statements:
            renewals()
        assert len(statements) == 1

    def test_runs_at_least_three_times_per_lease(self):
        assert (
            leases.LEASE_DURATION.total_seconds() / 3
            > leases.LEASE_RENEWAL_SECONDS + POLL_INTERVAL_SECONDS
        )
