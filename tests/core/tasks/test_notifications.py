"""Notifications: a commit with a new task wakes the dispatcher."""

import time
from contextlib import ExitStack
from threading import Thread

import pytest

from project.core.database.session import db
from project.core.tasks.notifications import TaskNotifier, WakeupPipe
from tests.concurrency import separate_app
from tests.tasks import task

from ..outbox import enqueue_committed, listening

pytestmark = pytest.mark.usefixtures('no_tasks')


def waited(notifier, seconds):
    """Wait for a notification for at most `seconds`; return the seconds that this took."""
    began = time.perf_counter()
    notifier.wait(seconds, *([WakeupPipe()] if isinstance(notifier, TaskNotifier) else []))
    return time.perf_counter() - began


class TestWakeupPipe:
    def test_wakes_a_later_wait(self):
        pipe = WakeupPipe()
        pipe.notify()

        assert waited(pipe, 10) < 5

    def test_counts_several_notifications_as_one(self):
        pipe = WakeupPipe()
        for _ in range(3):
            pipe.notify()

        assert waited(pipe, 10) < 5
        assert waited(pipe, 0.1) >= 0.1

    def test_does_not_block_when_the_pipe_is_full(self):
        pipe = WakeupPipe()
        for _ in range(100_000):
            pipe.notify()

        assert waited(pipe, 10) < 5

    def test_wakes_a_waiting_thread(self):
        pipe = WakeupPipe()
        waiting = Thread(target=pipe.wait, args=(20,))
        waiting.start()

        pipe.notify()
        waiting.join(10)

        assert not waiting.is_alive()


class TestTaskNotifier:
    def test_wakes_after_a_task_was_enqueued(self, tmp_path):
        nothing = task(name='nothing')(lambda: None)
        with separate_app(tmp_path) as app, listening(app) as notifier:
            assert waited(notifier, 0.1) >= 0.1

            enqueue_committed(nothing)
            assert waited(notifier, 20) < 10

            enqueue_committed(nothing)
            assert waited(notifier, 20) < 10

    def test_wakes_every_machine_through_the_database(self, tmp_path):
        nothing = task(name='nothing')(lambda: None)
        with separate_app(tmp_path) as app, ExitStack() as stack:
            notifiers = [stack.enter_context(listening(app, TaskNotifier(app))) for _ in range(2)]

            enqueue_committed(nothing)

            if notifiers[0].is_in_database:
                assert all(waited(notifier, 20) < 10 for notifier in notifiers)
            else:
                # A pipe reaches only the processes that this process has forked.
                assert waited(app.extensions['task_notifier'], 20) < 10

    def test_returns_when_its_own_pipe_is_notified(self, tmp_path):
        with separate_app(tmp_path) as app, listening(app) as notifier:
            own = WakeupPipe()
            own.notify()
            began = time.perf_counter()

            notifier.wait(20, own)

            assert time.perf_counter() - began < 10

    def test_polls_while_the_database_is_unavailable(self, kernel, caplog):
        app = kernel(SQLALCHEMY_DATABASE_URI='postgresql://nobody@127.0.0.1:1/none')
        notifier = app.extensions['task_notifier']

        with app.app_context():
            assert waited(notifier, 0.1) >= 0.1

        assert 'no notifications' in caplog.text

    def test_listens_again_after_its_connection_was_lost(self, tmp_path):
        nothing = task(name='nothing')(lambda: None)
        with separate_app(tmp_path) as app, listening(app) as notifier:
            if notifier.is_in_database:
                terminate_other_connections()
                notifier.wait(0.1, WakeupPipe())  # The first call detects the lost connection,
                notifier.wait(0, WakeupPipe())  # and the second one reconnects.

            enqueue_committed(nothing)

            assert waited(notifier, 20) < 10


def terminate_other_connections():
    """Terminate all other PostgreSQL connections, and wait until they have ended."""
    with db.engine.connect() as connection:
        connection.exec_driver_sql(
            'SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity '
            'WHERE datname = current_database() AND pid != pg_backend_pid()'
        )
