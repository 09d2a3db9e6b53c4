"""Notifications: a commit wakes the processes that run the tasks of the outbox.

On PostgreSQL a notification, which is heard on every machine and only if the transaction happened.
On SQLite a pipe to the processes that were forked from here. Whoever hears neither looks once a
second.
"""

import os
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any
from weakref import finalize

from flask import Flask, current_app
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from project.core.database.session import db

CHANNEL = 'core_tasks'


class WakeupPipe:
    """A bell between processes of one family. Rung often and heard once is heard enough."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        for end in (self.reader, self.writer):
            os.set_blocking(end, False)
            finalize(self, os.close, end)

    def notify(self) -> None:
        """Wake who waits; a full pipe has woken them already."""
        with suppress(BlockingIOError):
            os.write(self.writer, b'!')

    def fileno(self) -> int:
        """Return what is waited for."""
        return self.reader

    def wait(self, seconds: float, *others: Any) -> None:
        """Return once it was rung, or one of the others has something to say, or in so long."""
        wait([self.reader, *others], seconds)
        with suppress(BlockingIOError):
            os.read(self.reader, 4096)


class TaskNotifier:
    """An application's bell: rung by who enqueues, heard by who hands the work out."""

    def __init__(self, app: Flask) -> None:
        self.is_in_database = app.config['SQLALCHEMY_DATABASE_URI'].startswith('postgresql')
        self.pipe = WakeupPipe()
        self._listening: Any = None

    def notify(self) -> None:
        """Wake who listens in a process forked from here."""
        self.pipe.notify()

    def wait(self, seconds: float, own: WakeupPipe) -> None:
        """Return once something was enqueued, somebody rang the own bell, or in so many seconds.

        Inside an application context.
        """
        if not self.is_in_database:
            own.wait(seconds, self.pipe)
            self.pipe.wait(0)
            return
        try:
            self._wait_for_notification(seconds, own)
        except (DBAPIError, PoolTimeout, db.engine.dialect.loaded_dbapi.Error) as error:
            # The database is away. It is looked for again, and meanwhile one polls.
            current_app.logger.warning('no notifications: %s', type(error).__name__)
            self._listening = None
            own.wait(seconds)

    def _wait_for_notification(self, seconds: float, own: WakeupPipe) -> None:
        if self._listening is None:
            self._listening = db.engine.connect()
            # Of the pool no more: it must not be given to anybody else.
            self._listening.detach()
            self._listening.exec_driver_sql(f'LISTEN {CHANNEL}')
            # What was enqueued before is found by looking, now.
            return
        # A detached one no longer knows its driver's, but is it.
        connection = self._listening.connection.dbapi_connection
        own.wait(seconds, connection)
        for _ in connection.notifies(timeout=0):
            pass


def init_app(app: Flask) -> None:
    """Give an application its notifier."""
    app.extensions['task_notifier'] = TaskNotifier(app)
