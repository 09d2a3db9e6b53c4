"""Functions with which operators list, retry and delete tasks of the outbox."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from project.core.clock import now
from project.core.tasks import broker_queues, inspection, leases
from project.core.tasks.inspection import (
    ScheduleAge,
    TaskNotFound,
    TaskRunning,
    delete_dead_tasks,
    delete_task,
    get_task,
    list_tasks,
    oldest_waiting_by_queue,
    queue_stats,
    retry_dead_tasks,
    retry_task,
    schedule_ages,
    seconds_overdue,
    seconds_since_dispatcher_tick,
    task_stats,
)
from project.core.tasks.periodic import enqueue_due_schedules, record_dispatcher_tick
from tests.tasks import task

from ..outbox import (
    change,
    enqueue_at_committed,
    enqueue_committed,
    mark_dead,
    mark_queued,
    row_of,
    rows,
)

pytestmark = pytest.mark.usefixtures('no_tasks')

MINE = uuid4()
SECOND = timedelta(seconds=1)
PIN = '012345'


@pytest.fixture
def greet():
    """Return a task with a secret argument."""
    return task(name='greet', encrypted=['pin'])(lambda name='ada', pin=None: None)


@pytest.fixture
def other():
    """Return another task."""
    return task(name='other')(lambda: None)


@pytest.fixture
def running(greet):
    """Return the id of a running task."""
    found = enqueue_committed(greet)
    leases.claim(found, MINE)
    return found


class TestListTasks:
    def test_returns_the_oldest_first(self, greet, travel):
        ids = []
        for _ in range(3):
            ids.append(enqueue_committed(greet))
            travel(SECOND)

        assert [found['id'] for found in list_tasks()] == ids
        assert [found['id'] for found in list_tasks(limit=2)] == ids[:2]

    def test_filters_by_state_and_name(self, greet, other):
        waiting, dead, named = (
            enqueue_committed(greet),
            enqueue_committed(greet),
            enqueue_committed(other),
        )
        mark_dead(dead)

        assert [found['id'] for found in list_tasks(state='dead')] == [dead]
        assert {found['id'] for found in list_tasks(name='greet')} == {waiting, dead}
        assert [found['id'] for found in list_tasks(state='waiting', name='other')] == [named]

    def test_masks_secrets(self, greet):
        enqueue_committed(greet, pin=PIN)

        [found] = list_tasks()

        assert found['arguments'] == {'name': 'ada', 'pin': '***'}
        assert PIN not in repr(found)

    def test_runs_as_many_statements_for_50_tasks_as_for_one(self, greet, queries):
        for _ in range(50):
            enqueue_committed(greet)

        # The second statement finds no further rows.
        with queries(max=2):
            assert len(list(list_tasks())) == 50

    @pytest.mark.usefixtures('travel')
    @pytest.mark.parametrize(('limit', 'count'), [(None, 7), (6, 6), (5, 5), (1, 1)])
    def test_returns_each_task_once_across_batches(self, greet, monkeypatch, limit, count):
        monkeypatch.setattr(inspection, 'BATCH_ROWS', 3)
        ids = [enqueue_committed(greet) for _ in range(7)]

        found = [row['id'] for row in list_tasks(limit=limit)]

        # All tasks have the same creation time, so their ids determine the order.
        assert found == sorted(ids)[:count]


class TestGetTask:
    def test_redacts_secrets(self, greet):
        found = get_task(enqueue_committed(greet, pin=PIN))

        assert found['arguments'] == {'name': 'ada', 'pin': '***'}
        assert (found['name'], found['state'], found['error']) == ('greet', 'waiting', None)

    def test_returns_the_due_time_in_every_state(self, greet):
        moment = now() - 7 * SECOND
        found = enqueue_at_committed(moment, greet)

        assert get_task(found)['due'] == moment
        mark_queued(1)
        assert get_task(found)['due'] == moment
        leases.claim(found, MINE)
        assert get_task(found)['due'] == moment
        leases.dead_letter(found, MINE, 'hopeless')
        assert get_task(found)['due'] == moment

    def test_returns_a_task_unknown_to_this_version(self, greet):
        found = enqueue_committed(greet, pin=PIN)
        change(found, name='of-tomorrow')

        assert get_task(found)['arguments'] == {'name': 'ada', 'secrets': '***'}

    def test_raises_for_an_unknown_id(self):
        with pytest.raises(TaskNotFound):
            get_task(uuid4())


class TestRetryTask:
    @pytest.mark.usefixtures('travel')
    def test_makes_a_dead_letter_due_with_all_its_attempts(self, greet):
        found = enqueue_committed(greet)
        mark_dead(found)

        retry_task(found)

        row = row_of(found)
        assert (row.state, row.available_at, row.attempts, row.lease_id) == (
            'waiting',
            now(),
            0,
            None,
        )
        assert row.scheduled_at == now()
        assert row.last_error == 'hopeless'
        assert leases.claim_next(MINE).id == found

    def test_makes_a_later_task_due_at_once(self, greet):
        found = enqueue_at_committed(now() + 60 * SECOND, greet)

        retry_task(found)

        assert leases.claim_next(MINE).id == found

    def test_requeues_a_task_that_was_sent_to_a_broker(self, greet):
        found = enqueue_committed(greet)
        mark_queued(1)

        retry_task(found)

        assert row_of(found).state == 'waiting'

    def test_raises_for_a_running_task(self, running):
        with pytest.raises(TaskRunning):
            retry_task(running)

        assert row_of(running).lease_id == MINE

    def test_raises_for_an_unknown_id(self):
        with pytest.raises(TaskNotFound):
            retry_task(uuid4())


class TestDeleteTask:
    def test_deletes_the_task(self, greet):
        delete_task(enqueue_committed(greet))

        assert rows() == []

    def test_raises_for_a_running_task(self, running):
        with pytest.raises(TaskRunning):
            delete_task(running)

        assert row_of(running)

    def test_raises_for_an_unknown_id(self):
        with pytest.raises(TaskNotFound):
            delete_task(uuid4())


class TestRetryDeadTasks:
    def test_makes_all_dead_letters_due(self, greet, other, running):
        dead, named = enqueue_committed(greet), enqueue_committed(other)
        mark_dead(dead)
        mark_dead(named)

        assert retry_dead_tasks('other') == 1
        assert (row_of(dead).state, row_of(named).state) == ('dead', 'waiting')
        assert retry_dead_tasks() == 1
        assert row_of(dead).attempts == 0
        assert row_of(running).state == 'running'


class TestDeleteDeadTasks:
    def test_deletes_all_dead_letters(self, greet, other, running):
        dead, named = enqueue_committed(greet), enqueue_committed(other)
        mark_dead(dead)
        mark_dead(named)

        assert delete_dead_tasks('other') == 1
        assert delete_dead_tasks() == 1
        assert [row.id for row in rows()] == [running]


class TestTaskStats:
    @pytest.mark.usefixtures('travel')
    def test_counts_by_name_and_state(self, greet, other, running):
        mark_dead(enqueue_committed(greet))
        enqueue_at_committed(now() - 7 * SECOND, other)
        mark_queued(1)
        enqueue_at_committed(now() - 5 * SECOND, other)

        stats = {row.name: row for row in task_stats()}

        counts = {name: tuple(row)[1:5] for name, row in stats.items()}
        assert counts == {'greet': (0, 0, 1, 1), 'other': (1, 1, 0, 0)}
        assert seconds_overdue(stats['greet'].oldest) == 0
        # A task that waits in the broker still counts as due.
        assert seconds_overdue(stats['other'].oldest) == 7

    def test_runs_one_statement(self, greet, queries):
        enqueue_committed(greet)

        with queries(max=1):
            task_stats()


class TestQueueStats:
    def test_is_zero_when_no_task_is_due(self, greet, running):
        enqueue_at_committed(now() + 60 * SECOND, greet)

        assert queue_stats() == {'waiting': 0, 'dead': 0, 'delay': 0}

    @pytest.mark.usefixtures('travel')
    def test_counts_due_tasks_and_dead_letters(self, greet):
        mark_dead(enqueue_committed(greet))
        enqueue_at_committed(now() - 7 * SECOND, greet)
        enqueue_committed(greet)

        assert queue_stats() == {'waiting': 2, 'dead': 1, 'delay': 7}

    @pytest.mark.usefixtures('travel')
    def test_counts_queued_tasks_that_have_not_started(self, greet):
        found = enqueue_at_committed(now() - 7 * SECOND, greet)
        mark_queued(1)

        assert queue_stats() == {'waiting': 1, 'dead': 0, 'delay': 7}
        broker_queues.requeue([found])
        assert queue_stats()['delay'] == 7
        leases.claim(found, MINE)
        assert queue_stats() == {'waiting': 0, 'dead': 0, 'delay': 0}

    def test_counts_up_to_a_maximum(self, greet, monkeypatch):
        monkeypatch.setattr(inspection, 'MAX_COUNTED_TASKS', 3)
        for _ in range(5):
            enqueue_committed(greet)

        assert queue_stats()['waiting'] == 3


class TestOldestWaitingByQueue:
    @pytest.mark.usefixtures('travel')
    def test_is_zero_when_no_task_is_due(self, greet):
        mark_dead(enqueue_at_committed(now() - 60 * SECOND, greet))
        enqueue_at_committed(now() + 60 * SECOND, greet)

        assert oldest_waiting_by_queue() == {'mail': 0, 'default': 0, 'slow': 0}

    @pytest.mark.usefixtures('travel')
    def test_counts_from_the_first_due_time_of_the_oldest_task_of_each_queue(self, greet):
        letter = task(name='letter', queue='mail')(lambda: None)
        archive = task(name='archive', queue='slow')(lambda: None)
        enqueue_at_committed(now() - 7 * SECOND, letter)
        for seconds in (60, 50):
            enqueue_at_committed(now() - seconds * SECOND, archive)

        assert oldest_waiting_by_queue() == {'mail': 7, 'default': 0, 'slow': 60}

    @pytest.mark.usefixtures('travel')
    def test_includes_tasks_that_wait_for_another_attempt(self, greet):
        found = enqueue_at_committed(now() - 60 * SECOND, greet)
        leases.claim(found, MINE)
        leases.retry_later(found, MINE, 'the mail server is down', 300 * SECOND)

        assert oldest_waiting_by_queue()['default'] == 60
        assert queue_stats()['delay'] == 0


class TestScheduleAges:
    @pytest.fixture
    def tick(self):
        return task(name='tick', every=60 * SECOND)(lambda: None)

    def test_contain_a_schedule_that_no_dispatcher_has_seen(self, tick):
        assert schedule_ages() == [ScheduleAge('tick', 'every 60 s', None, None, 0)]

    def test_contain_the_last_run_and_the_delay_of_the_next_one(self, tick, travel):
        with travel(to=datetime(2026, 11, 23, 12, tzinfo=UTC)):
            enqueue_due_schedules()
            travel(60 * SECOND)
            enqueue_due_schedules()
            travel(90 * SECOND)
            due = datetime(2026, 11, 23, 12, 2, tzinfo=UTC)

            assert schedule_ages() == [ScheduleAge('tick', 'every 60 s', due, 90, 30)]


class TestSecondsSinceDispatcherTick:
    def test_returns_none_before_the_first_tick(self):
        assert seconds_since_dispatcher_tick() is None

    @pytest.mark.usefixtures('travel')
    def test_counts_from_the_last_tick(self, travel):
        record_dispatcher_tick()
        record_dispatcher_tick()

        with travel(seconds=12):
            assert seconds_since_dispatcher_tick() == 12


class TestSecondsOverdue:
    def test_is_zero_for_none_and_for_a_future_time(self):
        assert seconds_overdue(None) == 0
        assert seconds_overdue(now() + 60 * SECOND) == 0
