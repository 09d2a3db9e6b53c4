"""Temporary failures of the database: one classification for SQLite and PostgreSQL.

Such a failure is not caused by the request. The response is 503 (507 for a full disk), never 500. A
task that fails for this reason is retried.
"""

import sqlite3
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout


@dataclass(frozen=True, slots=True)
class Failure:
    """A kind of temporary failure.

    :param state: the state of the database for `/readyz`, in one word.
    :param detail: the message for the log.
    :param retry_after: seconds after which a client may try again.
    :param is_fatal_for_connection: whether the connection and all idle connections of the pool stay
        unusable after the failure is over.
    """

    state: str
    detail: str
    retry_after: int = 5
    is_fatal_for_connection: bool = False


LOST = Failure('down', 'the database is lost', is_fatal_for_connection=True)
READ_ONLY = Failure('read_only', 'the database is read-only', is_fatal_for_connection=True)
CONFLICT = Failure('busy', 'conflicting transactions', retry_after=1)
FULL = Failure('full', 'the database is full')
NO_RESOURCES = Failure('overloaded', 'the database lacks memory or connections')
BUSY = Failure('busy', 'the database is busy')
CANCELED = Failure('busy', 'the database canceled a statement that took too long')
DAMAGED = Failure('damaged', 'the files of the database are damaged', is_fatal_for_connection=True)

# Failures by SQLSTATE code or by the first characters of the code (PostgreSQL, appendix A); the
# longest prefix decides. All other codes mean a fault of the request or of the code, so a retry
# does not help.
POSTGRESQL_FAILURES = {
    '08': LOST,
    '25006': READ_ONLY,
    '25P03': LOST,  # idle_in_transaction_session_timeout has closed the connection
    '25P04': LOST,  # transaction_timeout has closed the connection
    '28': LOST,  # invalid authorization: a rotated password
    '3D': LOST,  # the database does not exist, for example during a restore
    '40': CONFLICT,
    '53': NO_RESOURCES,
    '53100': FULL,
    '55': BUSY,  # lock_not_available, object_in_use
    '57': LOST,
    '57014': CANCELED,
    '58': DAMAGED,  # io_error
    'XX001': DAMAGED,
    'XX002': DAMAGED,
}

# Failures by the low byte of SQLite's result code. The other bytes only contain details.
SQLITE_FAILURES = {
    sqlite3.SQLITE_BUSY: BUSY,
    sqlite3.SQLITE_LOCKED: BUSY,
    sqlite3.SQLITE_PROTOCOL: BUSY,
    sqlite3.SQLITE_INTERRUPT: CANCELED,
    sqlite3.SQLITE_NOMEM: NO_RESOURCES,
    sqlite3.SQLITE_FULL: FULL,
    # If SQLite cannot open the file for writing during a fault, it silently opens it read-only, and
    # the connection in the pool stays read-only.
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_IOERR: LOST,
    sqlite3.SQLITE_CANTOPEN: LOST,
    # SQLite also reports a file as damaged if its disk is gone.
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
}


def failure_of(error: BaseException) -> Failure | None:
    """Return the kind of a temporary failure, or None for any other error.

    :param error: an exception of SQLAlchemy or of the driver.
    """
    if isinstance(error, MemoryError):
        # Python raises MemoryError for SQLITE_NOMEM.
        return NO_RESOURCES
    if isinstance(error, PoolTimeout):
        return BUSY
    cause: Any = error.orig if isinstance(error, DBAPIError) else error
    if sqlstate := getattr(cause, 'sqlstate', None):
        return _postgresql_failure(sqlstate)
    code = getattr(cause, 'sqlite_errorcode', None) or 0
    # The error has no code if the driver cannot reach the database server or open the file.
    default = LOST if isinstance(error, OperationalError | InterfaceError) else None
    return SQLITE_FAILURES.get(code & 0xFF, default)


def _postgresql_failure(sqlstate: str) -> Failure | None:
    prefixes = (sqlstate[:length] for length in (5, 3, 2))
    return next((POSTGRESQL_FAILURES[p] for p in prefixes if p in POSTGRESQL_FAILURES), None)
