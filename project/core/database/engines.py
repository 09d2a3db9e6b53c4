"""Engines: what SQLite and PostgreSQL are told, so that both keep what they have acknowledged."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    ExceptionContext,
    NullPool,
    StaticPool,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from . import failures

# PostgreSQL ends by itself what would otherwise hold a worker or a lock; all in milliseconds.
POSTGRESQL_SETTINGS = {
    'statement_timeout': 30_000,
    'lock_timeout': 5_000,
    'idle_in_transaction_session_timeout': 60_000,
    'timezone': 'UTC',
}

# So long it takes to notice a server that is gone without a word: a failover, a firewall.
KEEPALIVE = {
    'keepalives_idle': 10,  # seconds
    'keepalives_interval': 5,
    'keepalives_count': 3,
    'tcp_user_timeout': 20_000,  # milliseconds
}

# FULL: a commit that was answered survives a power cut, which NORMAL does not promise in WAL mode.
SQLITE_PRAGMAS = (
    'PRAGMA journal_mode=WAL',
    'PRAGMA synchronous=FULL',
    'PRAGMA foreign_keys=ON',
    'PRAGMA busy_timeout=5000',
)

# serialization_failure, deadlock_detected
POSTGRESQL_CONFLICTS = {'40001', '40P01'}

# For the database to answer before the service starts; it starts without an answer, too.
START_TIMEOUT_SECONDS = 2

log = logging.getLogger(__name__)

WRITE_ISOLATION_LEVELS = {'postgresql': 'READ COMMITTED', 'sqlite': 'SERIALIZABLE'}


def engine_options(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `create_engine` is given for the configured database."""
    url = make_url(config['SQLALCHEMY_DATABASE_URI'])
    chosen: dict[str, Any] = {
        'isolation_level': 'AUTOCOMMIT',
        'skip_autocommit_rollback': True,
        # Errors are logged, and parameters are addresses, hashes and tokens.
        'hide_parameters': True,
    }
    if url.get_backend_name() == 'sqlite':
        # In memory, a second connection would be a second, empty database.
        in_memory = url.database in (None, '', ':memory:')
        if not in_memory:
            Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
        chosen |= {'poolclass': StaticPool} if in_memory else {}
        chosen['connect_args'] = {'check_same_thread': False} if in_memory else {}
    else:
        settings = [f'-c {name}={value}' for name, value in POSTGRESQL_SETTINGS.items()]
        # Options of the URL are added: of two values of a setting, the last one counts.
        options = ' '.join([*settings, *_as_tuple(url.query.get('options', ()))])
        chosen['connect_args'] = {'connect_timeout': 5, 'options': options, **KEEPALIVE}
        chosen |= {'pool_size': 10, 'max_overflow': 10, 'pool_timeout': 5, 'pool_recycle': 1800}
    return {**chosen, **config.get('SQLALCHEMY_ENGINE_OPTIONS', {})}


def _as_tuple(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


def validate_database(config: Mapping[str, Any]) -> None:
    """Refuse to start on a database of which the service cannot make use.

    For the server, before it forks. A database that cannot be reached is no reason: it may come.

    :raises SystemExit: with one line that names the reason.
    """
    url, options = config['SQLALCHEMY_DATABASE_URI'], engine_options(config)
    if not url.startswith('postgresql'):
        return
    from .postgresql import UnsupportedDatabase, configure_connections

    arguments = {**options['connect_args'], 'connect_timeout': START_TIMEOUT_SECONDS}
    engine = create_engine(url, poolclass=NullPool, connect_args=arguments)
    configure_connections(engine)
    try:
        engine.connect().close()
    except UnsupportedDatabase as error:
        raise SystemExit(f'Refusing to start: {error}.') from None
    except SQLAlchemyError as error:
        log.warning('the database cannot be reached: %s', getattr(error, 'orig', None) or error)


def is_transaction_conflict(error: Exception) -> bool:
    """Return whether the database aborted a transaction in favor of another one."""
    return getattr(getattr(error, 'orig', None), 'sqlstate', None) in POSTGRESQL_CONFLICTS


def write_execution_options(engine: Engine) -> dict[str, Any]:
    """Return the execution options of a connection that is about to write."""
    return {'isolation_level': WRITE_ISOLATION_LEVELS[engine.dialect.name]}


def configure_engine(engine: Engine) -> None:
    """Make SQLite durable, with transactions that begin when we say so; watch PostgreSQL's pool."""
    if engine.dialect.name != 'sqlite':
        # Imported here: without PostgreSQL, the driver is not needed.
        from .postgresql import configure_connections

        configure_connections(engine)
        return

    @event.listens_for(engine, 'connect')
    def configure(connection: Any, _record: Any) -> None:
        for pragma in SQLITE_PRAGMAS:
            connection.execute(pragma)

    @event.listens_for(engine, 'begin')
    def begin_immediate(connection: Connection) -> None:
        # Asked of the options: asking the connection itself would run a statement.
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
        # The driver calls it DatabaseError, which is also its name for faults of ours.
        is_damaged = failure is failures.DAMAGED
        return OperationalError(context.statement, None, cause) if is_damaged else None


def _close_all(engine: Engine, context: ExceptionContext) -> None:
    """Close every connection that nobody uses just now, so that the next one starts afresh.

    What SQLite could open for reading only, such as the index of its log, the connections of a
    process share until the last of them is closed. `Engine.dispose()` would keep those in use
    open, and with them that index, until the garbage collector finds them.
    """
    # Else the one that failed stays open behind its cursor, until that is collected.
    cursor = getattr(context.execution_context, 'cursor', None)
    if cursor is not None:
        cursor.close()
    engine.pool.dispose()


def is_in_memory(engine: Engine) -> bool:
    """Tell whether a database of SQLite's is gone with its connection."""
    return isinstance(engine.pool, StaticPool)
