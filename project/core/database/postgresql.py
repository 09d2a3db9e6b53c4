"""Detection of PostgreSQL connections that the service cannot use.

A failover leaves connections in the pool that the server has closed or that are read-only. They are
detected and replaced without a query, before the next request uses them. So the first request after
the recovery does not fail.

At the start, the service also detects connection poolers, such as PgBouncer, that break its
assumptions. It sets time limits by the options of a connection, and uses prepared statements and
locks that last for a database session. So a pooler must work in session mode, and either pass the
options or connect as a role that has time limits.
"""

import select
from collections.abc import Iterator, Mapping
from typing import Any

from psycopg import Error as PsycopgError
from sqlalchemy import Connection, Engine, ExceptionContext, NullPool, create_engine, event, text
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, OperationalError

from project.core.errors import ServiceUnavailable

from .failures import failure_of

# The server sends this parameter when a session begins.
ENCODING_PARAMETER, ENCODING = 'server_encoding', 'UTF8'

# The server sends these parameters when a session begins, and after each change (since PostgreSQL
# 14).
READ_ONLY_PARAMETERS = ('default_transaction_read_only', 'in_hot_standby')


# A setting that only `ensure_supported_pooler` sets, to see whether the server receives options.
MARKER = 'project.passed_options'
TIME_LIMITS = ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout')
# Messages of PgBouncer, and the fault of which each is the result.
REJECTIONS = {
    'unsupported startup parameter': 'rejects the options of a connection',
    'transaction blocks not allowed': 'shares database sessions (statement mode)',
}
POOLER_REMEDY = 'Connect directly, or see "Connection poolers" in docs/operations.md'

# How often two connections are compared: another client of the pooler may use the database session
# of the first one at the same moment.
SESSION_COMPARISONS = 3


class UnsupportedDatabase(ServiceUnavailable):
    """The encoding of the database, or a connection pooler, is not supported.

    The message contains the remedy.
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


def ensure_supported_pooler(url: Any, arguments: Mapping[str, Any]) -> None:
    """Ensure that no pooler drops options or shares database sessions. Takes a few round trips.

    :param arguments: the arguments of the driver for a connection of the service.
    :raises UnsupportedDatabase: if the pooler or the encoding of the database is not supported.
    :raises SQLAlchemyError: if the database cannot be reached.
    """
    marked = {**arguments, 'options': f'{arguments["options"]} -c {MARKER}=1'}
    engine = create_engine(
        url, poolclass=NullPool, connect_args=marked, isolation_level='AUTOCOMMIT'
    )
    configure_connections(engine)
    try:
        with engine.connect() as connection:
            faults = [*_lost_options(connection), *_shared_sessions(engine)]
    except DBAPIError as error:
        faults = [REJECTIONS[each] for each in REJECTIONS if each in str(error.orig)]
        if not faults:
            raise
    if faults:
        found = ' and '.join(faults)
        raise UnsupportedDatabase(
            f'A connection pooler before the database {found}. {POOLER_REMEDY}'
        )


def _lost_options(connection: Connection) -> Iterator[str]:
    """Yield a fault if options do not reach the server, and the role has no time limits."""
    query = text('SELECT current_setting(:name, true)')
    marker, *limits = (connection.scalar(query, {'name': name}) for name in (MARKER, *TIME_LIMITS))
    missing = [name for name, limit in zip(TIME_LIMITS, limits, strict=True) if limit == '0']
    if not marker and missing:
        yield f'drops the options of a connection, such as {missing[0]}'


def _shared_sessions(engine: Engine) -> Iterator[str]:
    """Yield a fault if two open connections use the same database session after each other."""
    query = text('SELECT pg_backend_pid()')
    for _ in range(SESSION_COMPARISONS):
        with engine.connect() as first, engine.connect() as second:
            if first.scalar(query) == second.scalar(query):
                yield 'shares database sessions (transaction mode)'
                return


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
