"""How a commit wakes who works the outbox off."""

import time
from contextlib import ExitStack
from threading import Thread

import pytest

from project.core.database.session import db
from project.core.tasks import task
from project.core.tasks.notifications import TaskNotifier, WakeupPipe
from tests.concurrency import separate_app

from ..outbox import enqueue_committed, listening

pytestmark = pytest.mark.usefixtures('no_tasks')


def waited(bell, seconds):
    """Return for how long a bell was waited for."""
    began = time.perf_counter()
    bell.wait(seconds, *([WakeupPipe()] if isinstance(bell, TaskNotifier) else []))
    return time.perf_counter() - began


class TestPipe:
    def test_arrives_although_it_was_sent_before(self):
        bell = WakeupPipe()
        bell.notify()

        assert waited(bell, 10) < 5

    def test_arrives_once_however_often_it_was_sent(self):
        bell = WakeupPipe()
        for _ in range(3):
            bell.notify()

        assert waited(bell, 10) < 5
        assert waited(bell, 0.1) >= 0.1

    def test_lets_nobody_wait_who_rings_although_nobody_listens(self):
        bell = WakeupPipe()
        for _ in range(100_000):
            bell.notify()

        assert waited(bell, 10) < 5

    def test_wakes_who_waits_already(self):
        bell = WakeupPipe()
        waiting = Thread(target=bell.wait, args=(20,))
        waiting.start()

        bell.notify()
        waiting.join(10)

        assert not waiting.is_alive()


class TestTaskNotifier:
    def test_notifies_when_something_was_enqueued(self, tmp_path):
        nothing = task(name='nothing')(lambda: None)
        with separate_app(tmp_path) as app, listening(app) as bell:
            assert waited(bell, 0.1) >= 0.1

            enqueue_committed(nothing)
            assert waited(bell, 20) < 10

            enqueue_committed(nothing)
            assert waited(bell, 20) < 10

    def test_notifies_every_machine_through_the_database(self, tmp_path):
        nothing = task(name='nothing')(lambda: None)
        with separate_app(tmp_path) as app, ExitStack() as stack:
            bells = [stack.enter_context(listening(app, TaskNotifier(app))) for _ in range(2)]

            enqueue_committed(nothing)

            if bells[0].is_in_database:
                assert all(waited(bell, 20) < 10 for bell in bells)
            else:
                # A pipe reaches who was forked from here.
                assert waited(app.extensions['task_notifier'], 20) < 10

    def test_ends_when_its_own_notifier_is_notified(self, tmp_path):
        with separate_app(tmp_path) as app, listening(app) as bell:
            own = WakeupPipe()
            own.notify()
            began = time.perf_counter()

            bell.wait(20, own)

            assert time.perf_counter() - began < 10

    def test_polls_while_the_database_is_away(self, kernel, caplog):
        app = kernel(SQLALCHEMY_DATABASE_URI='postgresql://nobody@127.0.0.1:1/none')
        bell = app.extensions['task_notifier']

        with app.app_context():
            assert waited(bell, 0.1) >= 0.1

        assert 'no notifications' in caplog.text

    def test_listens_again_when_its_connection_was_lost(self, tmp_path):
        nothing = task(name='nothing')(lambda: None)
        with separate_app(tmp_path) as app, listening(app) as bell:
            if bell.is_in_database:
                end_others()
                bell.wait(0.1, WakeupPipe())  # It notices,
                bell.wait(0, WakeupPipe())  # and begins anew.

            enqueue_committed(nothing)

            assert waited(bell, 20) < 10


def end_others():
    """Have PostgreSQL end every connection but the one that asks, and see them end."""
    with db.engine.connect() as connection:
        connection.exec_driver_sql(
            'SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity '
            'WHERE datname = current_database() AND pid != pg_backend_pid()'
        )
