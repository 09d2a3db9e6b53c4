"""Detection of PostgreSQL connections that the server has closed or that are read-only.

A failover leaves such connections in the pool. They are detected and replaced without a query,
before the next request uses them. So the first request after the recovery does not fail.
"""

import select
from typing import Any

from psycopg import Error as PsycopgError
from sqlalchemy import Engine, ExceptionContext, event
from sqlalchemy.exc import InvalidatePoolError, OperationalError

from project.core.errors import ServiceUnavailable

from .failures import failure_of

# The server sends this parameter when a session begins.
ENCODING_PARAMETER, ENCODING = 'server_encoding', 'UTF8'

# The server sends these parameters when a session begins, and after each change (since PostgreSQL
# 14).
READ_ONLY_PARAMETERS = ('default_transaction_read_only', 'in_hot_standby')


class UnsupportedDatabase(ServiceUnavailable):
    """The encoding of the database is not supported.

    The message explains how to create a database with a supported encoding.
    """


def configure_connections(engine: Engine) -> None:
    """Register the event listeners of an engine."""
    # This listener must run before SQLAlchemy's own listener, which fails if the server sends
    # bytes.
    event.listen(engine, 'connect', ensure_supported, insert=True)
    event.listen(engine, 'checkout', reject_closed_connection)
    event.listen(engine, 'checkin', close_read_only_connection)
    event.listen(engine, 'handle_error', classify_error, retval=True)


def ensure_supported(connection: Any, _record: Any) -> None:
    """Ensure that the encoding of the database is UTF-8. This needs no query.

    LATIN1 cannot store most names, and the driver returns bytes instead of text for SQL_ASCII.

    :raises UnsupportedDatabase: if the database has another encoding.
    """
    found = connection.info.parameter_status(ENCODING_PARAMETER)
    if found != ENCODING:
        raise UnsupportedDatabase(
            f'The database {connection.info.dbname!r} has the encoding {found}. Create one with '
            f"ENCODING 'UTF8' TEMPLATE template0"
        )


def reject_closed_connection(connection: Any, _record: Any, _proxy: Any) -> None:
    """Ensure that the server has not closed the connection while it was in the pool.

    This takes 2 µs and no round trip.

    :raises InvalidatePoolError: if the server has closed it. The pool then replaces all
        connections.
    """
    if connection.closed or (_is_readable(connection) and _is_at_end(connection)):
        raise InvalidatePoolError('the server has closed the connection')


def close_read_only_connection(connection: Any, record: Any) -> None:
    """Invalidate a read-only connection when it returns to the pool.

    The connection that replaces it may accept writes.
    """
    if connection is None or connection.closed:
        return
    status = connection.info.parameter_status
    if any(status(name) == 'on' for name in READ_ONLY_PARAMETERS):
        record.invalidate()


def classify_error(context: ExceptionContext) -> Exception | None:
    """Convert temporary failures to OperationalError, and mark broken connections.

    The driver raises InternalError for some temporary failures, but also for programming errors.
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
    """Read pending messages of a connection; return whether the server has closed it."""
    try:
        connection.pgconn.consume_input()
    except PsycopgError:
        return True
    # Pending messages have been read. If the socket is still readable, the stream has ended.
    return _is_readable(connection)
