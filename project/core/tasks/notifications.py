"""Notifications, which wake dispatchers after a transaction that enqueued tasks has committed.

With PostgreSQL, LISTEN and NOTIFY reach the dispatchers of all machines. With SQLite, a pipe
connects the process that created the application with its forked children. A dispatcher also polls
the outbox once a second, in case it receives no notification.
"""

import os
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any
from weakref import finalize

from flask import Flask, current_app
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from project.core.app_values import AppValue
from project.core.database.session import db

CHANNEL = 'core_tasks'


class WakeupPipe:
    """A pipe with which a process wakes a parent or child process.

    Several notifications before a wait count as one.
    """

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        for end in (self.reader, self.writer):
            os.set_blocking(end, False)
            finalize(self, os.close, end)

    def notify(self) -> None:
        """Wake the waiting process. If the pipe is full, there is a notification already."""
        with suppress(BlockingIOError):
            os.write(self.writer, b'!')

    def fileno(self) -> int:
        """Return the file descriptor that `multiprocessing.connection.wait` waits for."""
        return self.reader

    def wait(self, seconds: float, *others: Any) -> None:
        """Return after a notification, after `seconds`, or when one of `others` is readable."""
        wait([self.reader, *others], seconds)
        with suppress(BlockingIOError):
            os.read(self.reader, 4096)


class TaskNotifier:
    """The sender and receiver of the notifications of an application.

    `enqueue` calls `notify`, and the dispatcher calls `wait`.
    """

    def __init__(self, app: Flask) -> None:
        self.is_in_database = app.config['SQLALCHEMY_DATABASE_URI'].startswith('postgresql')
        self.pipe = WakeupPipe()
        self._listening: Any = None

    def notify(self) -> None:
        """Wake the dispatcher, if it has the same pipe: it was forked from this application."""
        self.pipe.notify()

    def wait(self, seconds: float, own: WakeupPipe) -> None:
        """Wait until a task is enqueued or `own` is notified, at most `seconds`.

        Call it inside an application context.

        :param own: the pipe of the calling process.
        """
        if not self.is_in_database:
            own.wait(seconds, self.pipe)
            self.pipe.wait(0)
            return
        try:
            self._wait_for_notification(seconds, own)
        except (DBAPIError, PoolTimeout, db.engine.dialect.loaded_dbapi.Error) as error:
            # The database cannot be used. The next call opens a new connection.
            current_app.logger.warning('no notifications: %s', type(error).__name__)
            self._listening = None
            own.wait(seconds)

    def _wait_for_notification(self, seconds: float, own: WakeupPipe) -> None:
        if self._listening is None:
            self._listening = db.engine.connect()
            # Detach the connection from the pool, so that no other code gets it.
            self._listening.detach()
            self._listening.exec_driver_sql(f'LISTEN {CHANNEL}')
            # Return, so that the caller polls the outbox: tasks that were enqueued before LISTEN
            # cause no notification.
            return
        # `driver_connection` is missing after a detach. With psycopg, `dbapi_connection` is the
        # same object.
        connection = self._listening.connection.dbapi_connection
        own.wait(seconds, connection)
        for _ in connection.notifies(timeout=0):
            pass


TASK_NOTIFIER: AppValue[TaskNotifier] = AppValue('task_notifier')


def init_app(app: Flask) -> None:
    """Create the task notifier of an application."""
    TASK_NOTIFIER.set(app, TaskNotifier(app))
