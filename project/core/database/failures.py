"""Failures of the database that pass: one table of codes for both databases.

Such a failure is no verdict on the request. It is answered 503 (507 for a full disk), never 500,
and a task that meets it is tried again.
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
    :param detail: what the log says.
    :param retry_after: seconds after which a client may try again.
    :param is_fatal_for_connection: whether the connection, and all others that wait in the pool,
        are useless even after the failure is over.
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

# SQLSTATE codes (PostgreSQL, appendix A), or classes of them: the longest prefix decides. A code
# that is missing here is a fault of the request or of the code, which no repetition repairs.
POSTGRESQL_FAILURES = {
    '08': LOST,
    '25006': READ_ONLY,
    '25P03': LOST,  # idle_in_transaction_session_timeout ends the session
    '25P04': LOST,  # transaction_timeout, too
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

# Low bytes of SQLite's result codes. The other bytes only give more detail.
SQLITE_FAILURES = {
    sqlite3.SQLITE_BUSY: BUSY,
    sqlite3.SQLITE_LOCKED: BUSY,
    sqlite3.SQLITE_PROTOCOL: BUSY,
    sqlite3.SQLITE_INTERRUPT: CANCELED,
    sqlite3.SQLITE_NOMEM: NO_RESOURCES,
    sqlite3.SQLITE_FULL: FULL,
    # A connection whose file could not be opened for writing at the moment of a fault only reads,
    # without an error, for as long as it is in the pool.
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_IOERR: LOST,
    sqlite3.SQLITE_CANTOPEN: LOST,
    # SQLite also finds a file damaged when its disk is gone.
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
}


def failure_of(error: BaseException) -> Failure | None:
    """Return the kind of a temporary failure, or None for any other error.

    :param error: an exception of SQLAlchemy or of the driver.
    """
    if isinstance(error, MemoryError):
        # Python's form of SQLITE_NOMEM.
        return NO_RESOURCES
    if isinstance(error, PoolTimeout):
        return BUSY
    cause: Any = error.orig if isinstance(error, DBAPIError) else error
    if sqlstate := getattr(cause, 'sqlstate', None):
        return _postgresql_failure(sqlstate)
    code = getattr(cause, 'sqlite_errorcode', None) or 0
    # A driver that cannot reach its server, or the file, has no code for that.
    default = LOST if isinstance(error, OperationalError | InterfaceError) else None
    return SQLITE_FAILURES.get(code & 0xFF, default)


def _postgresql_failure(sqlstate: str) -> Failure | None:
    prefixes = (sqlstate[:length] for length in (5, 3, 2))
    return next((POSTGRESQL_FAILURES[p] for p in prefixes if p in POSTGRESQL_FAILURES), None)
