"""Connections to PostgreSQL: replaced when the server has closed them, or accepts no writes.

A failover leaves connections in the pool that are closed or read-only. Both are visible without a
query, so that the first request after the recovery does not fail.
"""

import select
from typing import Any

from psycopg import Error as PsycopgError
from sqlalchemy import Engine, ExceptionContext, event
from sqlalchemy.exc import InvalidatePoolError, OperationalError

from project.core.errors import ServiceUnavailable

from .failures import failure_of

# The server sends this one with the session's start, too.
ENCODING_PARAMETER, ENCODING = 'server_encoding', 'UTF8'

# The server sends these with the session's start and after each change (PostgreSQL 14).
READ_ONLY_PARAMETERS = ('default_transaction_read_only', 'in_hot_standby')


class UnsupportedDatabase(ServiceUnavailable):
    """The database cannot store what the service stores. Its message says how to create one."""


def configure_connections(engine: Engine) -> None:
    """Register the listeners of a pool."""
    # Before SQLAlchemy's own, which expects text from the server.
    event.listen(engine, 'connect', ensure_supported, insert=True)
    event.listen(engine, 'checkout', reject_closed_connection)
    event.listen(engine, 'checkin', close_read_only_connection)
    event.listen(engine, 'handle_error', classify_error, retval=True)


def ensure_supported(connection: Any, _record: Any) -> None:
    """Reject a database that is not in UTF-8; costs no query.

    LATIN1 cannot store most names, and from SQL_ASCII come bytes instead of text.

    :raises UnsupportedDatabase: if so.
    """
    found = connection.info.parameter_status(ENCODING_PARAMETER)
    if found != ENCODING:
        raise UnsupportedDatabase(
            f'The database {connection.info.dbname!r} has the encoding {found}. Create one with '
            f"ENCODING 'UTF8' TEMPLATE template0"
        )


def reject_closed_connection(connection: Any, _record: Any, _proxy: Any) -> None:
    """Connect anew if the server has closed the connection while it was in the pool.

    Costs 2 µs, and no round trip.

    :raises InvalidatePoolError: if so; the pool then replaces all its connections.
    """
    if connection.closed or (_is_readable(connection) and _is_at_end(connection)):
        raise InvalidatePoolError('the server has closed the connection')


def close_read_only_connection(connection: Any, record: Any) -> None:
    """Keep no connection in the pool that accepts no writes: the next one may."""
    if connection is None or connection.closed:
        return
    status = connection.info.parameter_status
    if any(status(name) == 'on' for name in READ_ONLY_PARAMETERS):
        record.invalidate()


def classify_error(context: ExceptionContext) -> Exception | None:
    """Make every temporary failure an OperationalError, and close connections that are useless.

    The driver calls some of them InternalError, which is also its name for faults of ours.
    """
    cause: Any = context.original_exception
    if not getattr(cause, 'sqlstate', None) or (failure := failure_of(cause)) is None:
        return None
    if failure.is_fatal_for_connection:
        context.is_disconnect = True
    if isinstance(context.sqlalchemy_exception, OperationalError):
        return None
    return OperationalError(context.statement, None, cause)


def _is_readable(connection: Any) -> bool:
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _is_at_end(connection: Any) -> bool:
    """Read what the server has sent unasked; return whether nothing more will come."""
    try:
        connection.pgconn.consume_input()
    except PsycopgError:
        return True
    # A notice is read by now. The end of the stream stays readable.
    return _is_readable(connection)
