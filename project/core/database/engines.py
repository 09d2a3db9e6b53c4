"""Configuration of SQLAlchemy's engines, so that committed data survives crashes.

This applies to SQLite and to PostgreSQL.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    ExceptionContext,
    StaticPool,
    event,
    make_url,
)
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from . import failures

# The times, in milliseconds, after which PostgreSQL aborts a statement, a wait for a lock, or an
# idle transaction. Without these limits, each of them could block a worker or keep a lock forever.
POSTGRESQL_SETTINGS = {
    'statement_timeout': 30_000,
    'lock_timeout': 5_000,
    'idle_in_transaction_session_timeout': 60_000,
    'timezone': 'UTC',
}

# TCP keepalive. A connection that was dropped without notice (failover, firewall) is detected after
# about this time.
KEEPALIVE = {
    'keepalives_idle': 10,  # seconds
    'keepalives_interval': 5,
    'keepalives_count': 3,
    'tcp_user_timeout': 20_000,  # milliseconds
}

# `synchronous=FULL`: an acknowledged commit survives a power cut. In WAL mode, NORMAL does not
# guarantee that.
SQLITE_PRAGMAS = (
    'PRAGMA journal_mode=WAL',
    'PRAGMA synchronous=FULL',
    'PRAGMA foreign_keys=ON',
    'PRAGMA busy_timeout=5000',
)

# serialization_failure, deadlock_detected
POSTGRESQL_CONFLICTS = {'40001', '40P01'}

# Time limit in seconds for the first connection, before the service starts. If the database does
# not respond, the service starts nevertheless.
START_TIMEOUT_SECONDS = 2

log = logging.getLogger(__name__)

WRITE_ISOLATION_LEVELS = {'postgresql': 'READ COMMITTED', 'sqlite': 'SERIALIZABLE'}


def engine_options(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of `create_engine` for the configured database."""
    url = make_url(config['SQLALCHEMY_DATABASE_URI'])
    chosen: dict[str, Any] = {
        'isolation_level': 'AUTOCOMMIT',
        'skip_autocommit_rollback': True,
        # SQLAlchemy's errors are logged. Their parameters would contain email addresses, hashes and
        # tokens.
        'hide_parameters': True,
    }
    if url.get_backend_name() == 'sqlite':
        # All threads share one connection: a second connection to an in-memory database would open
        # another, empty database.
        in_memory = is_in_memory_url(config['SQLALCHEMY_DATABASE_URI'])
        if not in_memory:
            Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
        chosen |= {'poolclass': StaticPool} if in_memory else {}
        chosen['connect_args'] = {'check_same_thread': False} if in_memory else {}
    else:
        settings = [f'-c {name}={value}' for name, value in POSTGRESQL_SETTINGS.items()]
        # The options of the URL are last, because PostgreSQL uses the last value of a repeated
        # setting.
        options = ' '.join([*settings, *_as_tuple(url.query.get('options', ()))])
        chosen['connect_args'] = {'connect_timeout': 5, 'options': options, **KEEPALIVE}
        chosen |= {'pool_size': 10, 'max_overflow': 10, 'pool_timeout': 5, 'pool_recycle': 1800}
    return {**chosen, **config.get('SQLALCHEMY_ENGINE_OPTIONS', {})}


def _as_tuple(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


def is_postgresql(config: Mapping[str, Any]) -> bool:
    """Return whether the configured database is PostgreSQL."""
    return make_url(config['SQLALCHEMY_DATABASE_URI']).get_backend_name() == 'postgresql'


def validate_database(config: Mapping[str, Any]) -> None:
    """Ensure, before the server forks, that the service can use the database.

    A database that cannot be reached only causes a warning: it may become available later.

    :raises SystemExit: if the database is unsupported; the message is one line with the reason.
    """
    url, options = config['SQLALCHEMY_DATABASE_URI'], engine_options(config)
    if not is_postgresql(config):
        return
    # Imported here: the driver is only needed with PostgreSQL.
    from .postgresql import UnsupportedDatabase, ensure_supported_pooler

    arguments = {**options['connect_args'], 'connect_timeout': START_TIMEOUT_SECONDS}
    try:
        ensure_supported_pooler(url, arguments)
    except UnsupportedDatabase as error:
        raise SystemExit(f'Refusing to start: {error}.') from None
    except SQLAlchemyError as error:
        log.warning('the database cannot be reached: %s', getattr(error, 'orig', None) or error)


def is_transaction_conflict(error: Exception) -> bool:
    """Return whether the database aborted a transaction because of a concurrent transaction."""
    return getattr(getattr(error, 'orig', None), 'sqlstate', None) in POSTGRESQL_CONFLICTS


def write_execution_options(engine: Engine) -> dict[str, object]:
    """Return the execution options of a connection for a transaction that writes."""
    return {'isolation_level': WRITE_ISOLATION_LEVELS[engine.dialect.name]}


def configure_engine(engine: Engine) -> None:
    """Register the event listeners of an engine.

    On SQLite, they set the pragmas, begin transactions explicitly and close broken connections.
    """
    if engine.dialect.name != 'sqlite':
        # Imported here: the driver is only needed with PostgreSQL.
        from .postgresql import configure_connections

        configure_connections(engine)
        return

    @event.listens_for(engine, 'connect')
    def configure(connection: Any, _record: Any) -> None:
        for pragma in SQLITE_PRAGMAS:
            connection.execute(pragma)

    @event.listens_for(engine, 'begin')
    def begin_immediate(connection: Connection) -> None:
        # Read the execution options: reading the isolation level from the connection would run a
        # statement.
        if 'isolation_level' in connection.get_execution_options():
            connection.exec_driver_sql('BEGIN IMMEDIATE')

    @event.listens_for(engine, 'handle_error', retval=True)
    def invalidate_broken_connection(context: ExceptionContext) -> Exception | None:
        cause: Any = context.original_exception
        code = (getattr(cause, 'sqlite_errorcode', None) or 0) & 0xFF
        failure = failures.SQLITE_FAILURES.get(code)
        if failure and failure.is_fatal_for_connection and not is_in_memory(engine):
            context.is_disconnect = True
            _close_all(engine, context)
        # The driver raises DatabaseError for a damaged file, but also for programming errors.
        is_damaged = failure is failures.DAMAGED
        return OperationalError(context.statement, None, cause) if is_damaged else None


def _close_all(engine: Engine, context: ExceptionContext) -> None:
    """Close all connections of a process, so that the next one opens all files of SQLite again.

    The connections of a process share the index of SQLite's write-ahead log until the last one is
    closed. If SQLite could open this index only for reading, all connections stay read-only until
    then. `Engine.dispose()` alone is not sufficient: the failed connection, and so the index, would
    stay open until Python deletes the cursor that still uses it.
    """
    # This cursor would keep the failed connection open until Python deletes the cursor.
    cursor = getattr(context.execution_context, 'cursor', None)
    if cursor is not None:
        cursor.close()
    engine.pool.dispose()


def is_in_memory_url(text: str) -> bool:
    """Return whether a URL means an SQLite database in memory.

    Its only connection must not be used by two threads at the same time.
    """
    url = make_url(text)
    return url.get_backend_name() == 'sqlite' and url.database in (None, '', ':memory:')


def is_in_memory(engine: Engine) -> bool:
    """Return whether the database is an SQLite database in memory."""
    return isinstance(engine.pool, StaticPool)
