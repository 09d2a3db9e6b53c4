"""Who looks into the outbox, and how work reaches its workers."""

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
from project.core.tasks import leases, task
from project.core.tasks.leases import QUEUED_TIMEOUT

from ..outbox import enqueue_at_committed, enqueue_committed, row_of, rows, travel_forward
from .process_sync import until

pytestmark = pytest.mark.usefixtures('no_tasks')


@pytest.fixture
def nothing():
    """A task."""
    return task(name='nothing')(lambda: None)


class FakeBroker:
    """An engine that takes so many tasks before its broker is away, and holds some already."""

    def __init__(self, takes=10**6, held=0):
        self.takes = takes
        self.held = held
        self.sent = []
        self.queues = Counter()

    def queue_size(self, queue):
        if not self.takes:
            raise BrokerUnavailable('ConnectionClosed')
        return self.held + self.queues[queue]

    def send(self, queue, task_id):
        if len(self.sent) >= self.takes:
            raise BrokerUnavailable('ConnectionClosed')
        self.sent.append(task_id)
        self.queues[queue] += 1


class TestToWorkers:
    def test_wakes_the_workers_whose_queues_have_ready_tasks(self, nothing):
        def idle(_app, _slot):
            """Serve as a role."""

        roles = [('mail',), ('default', 'mail'), ('slow', 'default', 'mail')]
        workers = [WorkerSlot(queues[0], idle, queues) for queues in roles]
        hand = DispatchToLocalWorkers(workers)

        assert hand() == POLL_INTERVAL_SECONDS
        assert woken(workers) == []

        enqueue_committed(nothing)
        assert hand() == POLL_INTERVAL_SECONDS
        assert woken(workers) == ['default', 'slow']


def woken(workers):
    """Return the names of the workers that were notified."""
    return [worker.name for worker in workers if select([worker.wakeup], [], [], 0)[0]]


class TestDispatchToBroker:
    def test_looks_again_in_a_second_where_nothing_is_due(self, nothing):
        enqueue_at_committed(now() + timedelta(minutes=1), nothing)
        engine = FakeBroker()

        assert DispatchToBroker(engine)() == POLL_INTERVAL_SECONDS
        assert engine.sent == []

    def test_sends_what_is_due_and_looks_again_soon(self, nothing):
        ids = {enqueue_committed(nothing) for _ in range(3)}
        engine = FakeBroker()

        assert DispatchToBroker(engine)() == BROKER_POLL_SECONDS
        assert set(engine.sent) == ids
        assert {row.state for row in rows()} == {'queued'}

    def test_sends_nothing_twice_while_the_broker_has_it(self, nothing):
        enqueue_committed(nothing)
        engine = FakeBroker()

        DispatchToBroker(engine)()
        DispatchToBroker(engine)()

        assert len(engine.sent) == 1

    def test_sends_no_more_than_the_broker_may_have(self, nothing, monkeypatch):
        monkeypatch.setitem(dispatcher.MAX_QUEUED_TASKS, 'default', 3)
        for _ in range(5):
            enqueue_committed(nothing)
        engine = FakeBroker()
        hand = DispatchToBroker(engine)

        sent = []
        for _ in range(3):
            assert hand() == BROKER_POLL_SECONDS
            sent.append(len(engine.sent))

        assert sent == [3, 3, 3]
        # A worker has begun one.
        engine.held -= 1
        hand()
        assert len(engine.sent) == 4

    def test_sends_nothing_to_a_broker_that_holds_enough(self, nothing, monkeypatch):
        monkeypatch.setitem(dispatcher.MAX_QUEUED_TASKS, 'default', 3)
        enqueue_committed(nothing)
        engine = FakeBroker(held=4)

        assert DispatchToBroker(engine)() == BROKER_POLL_SECONDS

        assert engine.sent == []
        assert rows()[0].state == 'waiting'

    def test_lets_what_a_broker_holds_not_grow_however_long_nobody_works(
        self, nothing, monkeypatch
    ):
        monkeypatch.setitem(dispatcher.MAX_QUEUED_TASKS, 'default', 3)
        for _ in range(5):
            enqueue_committed(nothing)
        engine = FakeBroker()
        hand = DispatchToBroker(engine)

        for number in range(10):
            with travel_forward(seconds=number * QUEUED_TIMEOUT.seconds):
                hand()

        assert engine.queue_size('default') == 3

    def test_sends_all_again_that_a_broker_has_lost(self, nothing):
        ids = {enqueue_committed(nothing) for _ in range(5)}
        hand = DispatchToBroker(FakeBroker())
        hand()
        hand.broker = FakeBroker()

        hand()
        assert hand.broker.sent == []
        with travel_forward(seconds=QUEUED_TIMEOUT.seconds):
            hand()

        assert set(hand.broker.sent) == ids

    @pytest.mark.parametrize('order', [1, -1])
    def test_sends_the_oldest_first(self, nothing, order):
        ids = [
            enqueue_at_committed(now() - timedelta(seconds=n), nothing)
            for n in range(1, 10)[::order]
        ]
        engine = FakeBroker()

        DispatchToBroker(engine)()

        assert engine.sent == ids[::-order]

    def test_sends_each_queue_to_its_own_though_another_is_full(self, nothing, monkeypatch):
        monkeypatch.setitem(dispatcher.MAX_QUEUED_TASKS, 'slow', 2)
        slow = task(name='slow', queue='slow')(lambda: None)
        letter = task(name='letter', queue='mail')(lambda: None)
        for function in (slow, slow, slow, nothing, letter):
            enqueue_committed(function)
        engine = FakeBroker()

        DispatchToBroker(engine)()

        assert engine.queues == {'mail': 1, 'default': 1, 'slow': 2}

    def test_sends_no_more_of_a_user_than_their_share(self, monkeypatch):
        monkeypatch.setitem(dispatcher.MAX_QUEUED_TASKS_PER_OWNER, 'default', 3)
        work = task(name='work', owner_argument='owner')(lambda owner: None)
        for owner in (7, 7, 7, 7, 7, 8):
            enqueue_committed(work, owner)
        engine = FakeBroker()

        DispatchToBroker(engine)()

        assert Counter(row_of(found).owner_id for found in engine.sent) == {7: 3, 8: 1}

    def test_asks_no_broker_where_nothing_is_due(self):
        assert DispatchToBroker(FakeBroker(takes=0))() == POLL_INTERVAL_SECONDS

    @pytest.mark.parametrize('takes', [0, 2])
    def test_keeps_what_a_broker_that_is_down_does_not_take(self, nothing, caplog, takes):
        for _ in range(5):
            enqueue_committed(nothing)
        engine = FakeBroker(takes)
        hand = DispatchToBroker(engine)

        assert hand() == POLL_INTERVAL_SECONDS

        assert sorted(row.state for row in rows()) == ['queued'] * takes + ['waiting'] * (5 - takes)
        assert {row.id for row in rows() if row.state == 'queued'} == set(engine.sent)
        assert 'the broker does not take tasks: ConnectionClosed' in caplog.text
        engine.takes = 10
        hand()
        assert len(set(engine.sent)) == 5


class TestDispatch:
    @pytest.mark.slow('a schedule fires once a second')
    def test_rings_and_fires_in_a_process_of_its_own(self, own_app, nothing):
        task(name='tick', every=timedelta(seconds=1))(lambda: None)
        worker = WorkerSlot('worker', run_worker())
        enqueue_committed(nothing)

        Supervisor(own_app, [WorkerSlot('dispatcher', dispatch([worker]))]).run(
            until(lambda: 'tick' in {row.name for row in rows()})
        )

        began = time.monotonic()
        worker.wakeup.wait(20)
        assert time.monotonic() - began < 10

    def test_hands_out_to_the_configured_broker(self, own_app, nothing, monkeypatch):
        monkeypatch.setattr(dispatcher, 'TaskBroker', lambda _url: FakeBroker())
        enqueue_committed(nothing)

        Supervisor(own_app, [WorkerSlot('dispatcher', dispatch([], 'redis://127.0.0.1:1'))]).run(
            until(lambda: rows()[0].state == 'queued')
        )

    @pytest.mark.parametrize('broker', ['', 'redis://127.0.0.1:1'])
    def test_renews_what_busy_workers_hold(self, own_app, nothing, monkeypatch, broker):
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

    def test_is_ended_when_it_hangs_and_followed_by_another(
        self, own_app, nothing, tmp_path, monkeypatch
    ):
        hung = tmp_path / 'hung'
        monkeypatch.setattr(dispatcher, 'POLL_TIMEOUT', timedelta(seconds=1))

        class Hanging(FakeBroker):
            def queue_size(self, queue):
                if not hung.exists():
                    hung.touch()
                    Event().wait()
                return 0

        def is_queued():
            # The next process is not ended, however slow this machine is.
            if hung.exists():
                monkeypatch.setattr(dispatcher, 'POLL_TIMEOUT', timedelta(minutes=1))
            return rows()[0].state == 'queued'

        monkeypatch.setattr(dispatcher, 'TaskBroker', lambda _url: Hanging())
        enqueue_committed(nothing)

        Supervisor(own_app, [WorkerSlot('dispatcher', dispatch([], 'redis://127.0.0.1:1'))]).run(
            until(is_queued)
        )

    @pytest.mark.slow('the supervisor looks five times before the database is back')
    def test_goes_on_when_the_database_is_there_again(self, own_app, nothing, monkeypatch):
        db.drop_all()
        worker, asked = WorkerSlot('worker', run_worker()), []
        seat = WorkerSlot('dispatcher', dispatch([worker]))

        def condition():
            asked.append(1)
            if len(asked) == 5:
                db.create_all()
                enqueue_committed(nothing)
            return len(asked) > 5 and select([worker.wakeup], [], [], 0)[0]

        Supervisor(own_app, [seat]).run(until(condition))

        assert seat.orphaned_leases == []


class TestInterval:
    def test_calls_a_function_when_it_is_time_whatever_the_clock_says(self):
        called = []
        often, seldom = (
            Interval(0.0, partial(called.append, 'often')),
            Interval(60.0, partial(called.append, 'seldom')),
        )

        for days in (0, 1, -1):
            with travel_forward(days=days):
                often()
                seldom()

        assert Counter(called) == {'often': 3, 'seldom': 1}


class TestScheduleEnqueuer:
    def test_looks_again_within_a_minute_whatever_the_clock_says(self, monkeypatch):
        task(name='daily', cron='0 3 * * *')(lambda: None)
        enqueue_schedules = ScheduleEnqueuer()
        enqueue_schedules()

        assert 0 < enqueue_schedules.next_look - time.monotonic() <= 60

    def test_costs_nothing_while_none_can_be_due(self, assert_max_queries):
        enqueue_schedules = ScheduleEnqueuer()
        enqueue_schedules()

        with assert_max_queries(0):
            enqueue_schedules()


class TestRenewals:
    @pytest.fixture
    def worker(self):
        return WorkerSlot('worker', run_worker())

    @pytest.fixture
    def held(self, nothing, worker):
        found = enqueue_committed(nothing)
        leases.claim_next(worker.lease)
        return found

    def test_renews_what_is_at_work(self, held, worker):
        worker.begin(timedelta(minutes=1))

        with travel_forward(seconds=10) as moment:
            LeaseRenewer([worker])()

        assert row_of(held).available_at == moment + leases.LEASE_DURATION

    def test_leaves_alone_who_is_idle(self, held, worker, assert_max_queries):
        worker.begin(timedelta(minutes=1))
        worker.end()

        with assert_max_queries(0):
            LeaseRenewer([worker, WorkerSlot('other', run_worker())])()

    def test_costs_one_statement_however_many_are_at_work(self, worker, assert_max_queries):
        workers = [worker, WorkerSlot('other', run_worker())]
        for seat in workers:
            seat.begin(timedelta(minutes=1))

        with assert_max_queries(1):
            LeaseRenewer(workers)()

    def test_waits_until_it_is_time(self, held, worker, monkeypatch, assert_max_queries):
        worker.begin(timedelta(minutes=1))
        renewals = LeaseRenewer([worker])
        renewals()

        with assert_max_queries(0):
            renewals()
        monkeypatch.setattr(leases, 'LEASE_RENEWAL_SECONDS', 0.0)
        with assert_max_queries(1) as statements:
            renewals()
        assert len(statements) == 1

    def test_happens_often_enough(self):
        assert (
            leases.LEASE_DURATION.total_seconds() / 3
            > leases.LEASE_RENEWAL_SECONDS + POLL_INTERVAL_SECONDS
        )
