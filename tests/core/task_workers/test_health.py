"""Health checks of the task workers and of their broker."""

import os
from datetime import timedelta

import pytest
from sqlalchemy import update

from project.core.clock import now
from project.core.database.session import execute_in_own_transaction
from project.core.errors import ServiceUnavailable
from project.core.task_workers.health import STOPPED_AFTER_SECONDS, check_broker, check_tasks
from project.core.tasks.periodic import Schedule, enqueue_due_schedules, record_dispatcher_tick
from tests.listeners import listener
from tests.service import free_port
from tests.tasks import task

from ..outbox import enqueue_at_committed, mark_dead

pytestmark = pytest.mark.usefixtures('no_tasks')


@pytest.fixture
def moment(travel):
    """Stop the clock, and return its time."""
    return now()


@pytest.fixture
def ticking(moment):
    """Record that the dispatcher has polled the outbox just now."""
    record_dispatcher_tick()


def enqueue_due(*ages):
    """Enqueue tasks that have been due for `ages` seconds; return their ids."""
    nothing = task(name='nothing')(lambda: None)
    return [enqueue_at_committed(now() - timedelta(seconds=age), nothing) for age in ages]


class TestCheckTasks:
    def test_is_ok_without_waiting_tasks(self, ticking):
        found = check_tasks()

        assert found.state == 'ok'
        assert found.details == {
            'waiting': 0, 'dead': 0, 'delay': 0, 'tick': 0, 'overdue_schedules': [],
            'oldest': {'mail': 0, 'default': 0, 'slow': 0},
        }  # fmt: skip

    @pytest.mark.parametrize(('age', 'state'), [(120, 'ok'), (121, 'late')])
    def test_is_late_when_a_task_has_been_due_for_over_two_minutes(self, ticking, age, state):
        enqueue_due(age, 5)

        found = check_tasks()

        assert found.state == state
        assert (found.details['waiting'], found.details['delay']) == (2, age)

    @pytest.mark.parametrize(('seconds', 'state'), [(0, 'ok'), (1, 'stopped')])
    def test_is_stopped_without_a_recent_dispatcher_tick(
        self, moment, ticking, seconds, state, travel
    ):
        later = moment + timedelta(seconds=STOPPED_AFTER_SECONDS + seconds)
        with travel(to=later):
            assert check_tasks().state == state

    def test_is_stopped_when_no_dispatcher_has_ever_run(self):
        found = check_tasks()

        assert (found.state, found.details['tick']) == ('stopped', None)
        assert found.reason.endswith('never')

    def test_is_late_when_a_schedule_is_overdue(self, moment, ticking):
        task(name='nightly', every=timedelta(days=1))(lambda: None)
        enqueue_due_schedules()
        overdue = update(Schedule).values(next_run_at=moment - timedelta(seconds=121))
        execute_in_own_transaction(overdue, joins=True)

        found = check_tasks()

        assert (found.state, found.details['overdue_schedules']) == ('late', ['nightly'])

    def test_counts_dead_letters(self, ticking):
        [found] = enqueue_due(1)
        mark_dead(found)

        assert check_tasks().details['dead'] == 1


class TestCheckBroker:
    @pytest.fixture
    def configure(self, app, monkeypatch):
        """Return a function that sets TASKS_BROKER_URL."""
        return lambda url: monkeypatch.setitem(app.config, 'TASKS_BROKER_URL', url)

    @pytest.mark.parametrize('scheme', ['redis', 'amqp'])
    def test_raises_when_the_broker_rejects_connections(self, configure, scheme):
        configure(f'{scheme}://127.0.0.1:{free_port()}')

        with pytest.raises(ServiceUnavailable):
            check_broker()

    @pytest.mark.slow('waits for the time limit of the check, 0.9 s')
    @pytest.mark.parametrize('scheme', ['redis', 'amqp'])
    def test_raises_when_the_broker_does_not_respond(self, configure, scheme):
        with listener() as port:
            configure(f'{scheme}://127.0.0.1:{port}')

            with pytest.raises(ServiceUnavailable):
                check_broker()

    @pytest.mark.servers
    @pytest.mark.parametrize('variable', ['TEST_AMQP_URL', 'TEST_REDIS_URL'])
    def test_is_ok_when_the_broker_responds(self, configure, variable):
        configure(os.environ[variable])

        assert check_broker().state == 'ok'
