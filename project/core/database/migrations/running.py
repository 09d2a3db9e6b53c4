"""Migrations during traffic: short waits for locks, retries, and one process at a time.

A statement that waits for the lock of a table blocks all later requests for the table. So it stops
waiting after a short time, and the migration is tried again after a pause.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError

from project.core.database import engines

from .repeatable_statements import is_concurrent, make_repeatable

# An arbitrary number, which identifies the lock and must never change.
ADVISORY_LOCK = 7201

# The time in which a transaction must get all its locks. So a request that waits behind it responds
# within 2 s.
LOCK_TIMEOUT_SECONDS = 1.0
# A transaction that has worked for a longer time before it needs a further lock waits this long.
MIN_LOCK_TIMEOUT_SECONDS = 0.1
MAX_WAIT_SECONDS = 600
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 1.0, 8.0

# lock_not_available, or a conflict with another transaction.
REPEATED_ERRORS = {'55P03', *engines.POSTGRESQL_CONFLICTS}


@contextmanager
def exclusive(connection: Connection) -> Iterator[None]:
    """Run the block while no other process runs migrations, with the settings for migrations.

    The block must end its transactions.

    :raises CommandError: if another process still runs migrations after `MAX_WAIT_SECONDS`.
    """
    lock = _lock_postgresql if connection.dialect.name == 'postgresql' else _lock_sqlite
    with lock(connection):
        yield


def run_with_retries(connection: Connection, run: Callable[[], object]) -> None:
    """Run migrations, and try again while another transaction locks one of their tables.

    Completed migrations are not repeated, because each one is a transaction.

    :param run: runs the migrations; rolls its transaction back if it raises an error.
    :raises CommandError: if a table is still locked after `MAX_WAIT_SECONDS`.
    """
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    pauses = _Pauses(deadline, 'Waiting for a lock of another transaction')
    with _short_waits(connection, deadline):
        while True:
            try:
                run()
                return
            except DBAPIError as error:
                if getattr(error.orig, 'sqlstate', None) not in REPEATED_ERRORS:
                    raise
                reason = str(error.orig).splitlines()[0]
            if not pauses.wait():
                raise CommandError(
                    f'{reason} (waited for {MAX_WAIT_SECONDS} s). Later migrations did not run. '
                    'End the transaction that holds the lock, and run the command again.'
                )


@dataclass(slots=True)
class _Pauses:
    """Growing pauses until a deadline. The first one prints why the command waits."""

    deadline: float
    message: str
    seconds: float = FIRST_PAUSE_SECONDS
    is_printed: bool = False

    def wait(self) -> bool:
        """Sleep, and return True; return False without a pause after the deadline."""
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            return False
        if not self.is_printed:
            click.echo(f'{self.message}, for up to {MAX_WAIT_SECONDS} s.', err=True)
            self.is_printed = True
        time.sleep(min(self.seconds, MAX_PAUSE_SECONDS, remaining))
        self.seconds *= 1.5
        return True


@contextmanager
def _lock_postgresql(connection: Connection) -> Iterator[None]:
    execute = connection.exec_driver_sql
    # A process that waited in `pg_advisory_lock` would have an open snapshot. CREATE INDEX
    # CONCURRENTLY in the other process would wait for it: a deadlock.
    try:
        with connection.begin():
            execute('SET statement_timeout = 0')
            _wait_for_others(
                lambda: bool(execute(f'SELECT pg_try_advisory_lock({ADVISORY_LOCK})').scalar())
            )
        yield
    finally:
        # The connection returns to the pool.
        connection.execution_options(isolation_level='AUTOCOMMIT')
        execute('SELECT pg_advisory_unlock_all()')
        execute('RESET ALL')


@contextmanager
def _lock_sqlite(connection: Connection) -> Iterator[None]:
    # SQLite alters a table by copying it. When the old table is dropped, no rows of other tables
    # must be deleted.
    with connection.begin():
        connection.exec_driver_sql('PRAGMA foreign_keys = OFF')
    try:
        with _locked_folder(connection.engine):
            yield
    finally:
        connection.execution_options(isolation_level='AUTOCOMMIT')
        # SQLAlchemy would begin a transaction, in which SQLite ignores this PRAGMA.
        driver: Any = connection.connection.driver_connection
        driver.execute('PRAGMA foreign_keys = ON')


@contextmanager
def _locked_folder(engine: Engine) -> Iterator[None]:
    """Lock the folder of an SQLite database: its own locks last for one transaction only."""
    if engines.is_in_memory(engine):
        yield
        return
    descriptor = os.open(Path(str(engine.url.database)).parent, os.O_RDONLY)
    try:
        _wait_for_others(lambda: _try_flock(descriptor))
        yield
    finally:
        os.close(descriptor)


def _try_flock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait_for_others(try_lock: Callable[[], bool]) -> None:
    message = 'Waiting for another process that runs migrations'
    pauses = _Pauses(time.monotonic() + MAX_WAIT_SECONDS, message)
    while not try_lock():
        if not pauses.wait():
            raise CommandError(
                f'Another process still runs migrations after {MAX_WAIT_SECONDS} s. Run the '
                'command again when it has ended.'
            )


@contextmanager
def _short_waits(connection: Connection, deadline: float) -> Iterator[None]:
    """Limit the waits for locks of all statements in the block, and make them repeatable."""
    if connection.dialect.name != 'postgresql':
        yield
        return
    limit = _LockTimeout(deadline)
    listeners: list[tuple[str, Callable[..., Any], dict[str, bool]]] = [
        ('before_cursor_execute', limit.before_statement, {'retval': True}),
        ('commit', limit.on_end, {}),
        ('rollback', limit.on_end, {}),
    ]
    for name, function, options in listeners:
        event.listen(connection.engine, name, function, **options)
    try:
        yield
    finally:
        for name, function, _ in listeners:
            event.remove(connection.engine, name, function)


@dataclass(slots=True)
class _LockTimeout:
    """The `lock_timeout` of the statements of migrations.

    :param deadline: the end of all waits, as a time of the monotonic clock.
    :param began: when the current transaction executed its first statement.
    """

    deadline: float
    began: float | None = None

    def before_statement(
        self, connection: Connection, cursor: Any, sql: str, parameters: Any, *_: object
    ) -> tuple[str, Any]:
        """Set `lock_timeout`, and return the statement and its parameters."""
        if connection.get_isolation_level() == 'AUTOCOMMIT':
            self.began = None
        now = time.monotonic()
        self.began = self.began or now
        seconds = LOCK_TIMEOUT_SECONDS - (now - self.began)
        if is_concurrent(sql):
            # It waits for transactions, but no request waits for it.
            seconds = self.deadline - now
        milliseconds = int(1000 * max(seconds, MIN_LOCK_TIMEOUT_SECONDS))
        cursor.execute(f'SET lock_timeout = {milliseconds}')
        return make_repeatable(sql, cursor), parameters

    def on_end(self, _connection: Connection) -> None:
        """Begin a new transaction."""
        self.began = None
