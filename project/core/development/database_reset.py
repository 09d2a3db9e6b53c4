"""Deletion of everything in a database, for `flask db reset` in development."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, text

from project.core.database.engines import is_in_memory, write_execution_options
from project.core.database.migrations.table_features import migrated_features, tables
from project.core.database.session import db
from project.core.registration import owner_of_name

from . import DevelopmentError
from .unknown_revisions import features_of_unknown_migrations

# Alembic's table of the revisions of the database.
VERSION_TABLE = 'alembic_version'

# Kinds of PostgreSQL's relations, by the letter of `pg_class.relkind`. Tables come last, because
# views depend on them. A sequence of a column is dropped with its table.
RELATIONS = {'v': 'VIEW', 'm': 'MATERIALIZED VIEW', 'p': 'TABLE', 'r': 'TABLE', 'S': 'SEQUENCE'}

# The relations and types of the current schema that do not belong to an extension.
FIND_RELATIONS = text(
    'SELECT c.relname FROM pg_class c '
    'WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = :kind '
    'AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid '
    "AND d.classid = 'pg_class'::regclass AND d.deptype IN ('e', 'i', 'a')) ORDER BY c.relname"
)
FIND_TYPES = text(
    'SELECT t.typname FROM pg_type t '
    "WHERE t.typnamespace = current_schema()::regnamespace AND t.typtype IN ('e', 'd') "
    'AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = t.oid '
    "AND d.classid = 'pg_type'::regclass AND d.deptype = 'e') ORDER BY t.typname"
)
# PostgreSQL hides the type of the sessions of other roles, except from superusers.
FIND_CONNECTIONS = text(
    'SELECT pid FROM pg_stat_activity WHERE datname = current_database() '
    "AND pid <> pg_backend_pid() AND (backend_type = 'client backend' OR backend_type IS NULL) "
    'ORDER BY pid'
)

REMEDY = 'stop the service first'


class DatabaseInUse(DevelopmentError):
    """Another process has a connection to the database. The message is one line."""


def name_of_database() -> str | None:
    """Return the URL of the database without its password; None if the database is in memory."""
    return None if is_in_memory(db.engine) else db.engine.url.render_as_string()


def ensure_unused() -> None:
    """Ensure that no other process is connected to the database.

    A running service keeps connections in its pool, even if it is idle.

    :raises DatabaseInUse: if another process is connected.
    """
    close_connections()
    if db.engine.dialect.name == 'sqlite':
        _ensure_unused_file(_file_of_database())
        return
    with db.engine.connect() as connection:
        found = connection.execute(FIND_CONNECTIONS).scalars().all()
    if found:
        pids = ', '.join(map(str, found))
        raise DatabaseInUse(
            f'other connections use the database (PostgreSQL processes {pids}): {REMEDY}'
        )


def _ensure_unused_file(path: Path | None) -> None:
    if path is None or not path.exists():
        return
    try:
        with closing(sqlite3.connect(path, timeout=0)) as connection:
            # SQLite leaves the WAL mode only if no other connection is open. Each engine of the
            # service sets the mode again.
            connection.execute('PRAGMA journal_mode=DELETE')
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise DatabaseInUse(f'another process uses {path}: {REMEDY}') from None
        raise
    except sqlite3.DatabaseError:
        # The file is no database, so no process can use it.
        return


def delete_everything() -> list[str]:
    """Delete all tables of the service in the current database, even those of unknown migrations.

    On SQLite the file is deleted, and on PostgreSQL the tables, views, sequences and types of the
    current schema whose names begin with the name of a feature. Extensions, other schemas and other
    databases stay.

    :returns: the names in the current schema that were kept, because they belong to no feature.
    """
    # Of migrations that this code lacks, only the folder on their git branch names the feature.
    features = migrated_features() | features_of_unknown_migrations()
    close_connections()
    if db.engine.dialect.name == 'sqlite':
        if path := _file_of_database():
            for suffix in ('', '-wal', '-shm', '-journal'):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
        return []
    # Either all tables are dropped, or none.
    with db.engine.execution_options(**write_execution_options(db.engine)).begin() as connection:
        kept = _drop_all(connection, features)
    close_connections()
    return kept


def _drop_all(connection: Connection, features: set[str]) -> list[str]:
    """Drop everything whose name begins with a feature's name; return the other names, sorted."""
    kept: set[str] = set()
    for kind, word in RELATIONS.items():
        found = connection.execute(FIND_RELATIONS, {'kind': kind}).scalars().all()
        kept |= _drop(connection, word, found, features)
    kept |= _drop(connection, 'TYPE', connection.execute(FIND_TYPES).scalars().all(), features)
    return sorted(kept)


def _drop(connection: Connection, word: str, names: Iterable[str], features: set[str]) -> set[str]:
    """Drop those of the names that belong to features; return the other ones."""
    quote = connection.dialect.identifier_preparer.quote
    kept = {
        name
        for name in names
        if name not in tables() and name != VERSION_TABLE and not owner_of_name(name, features)
    }
    for name in names:
        if name not in kept:
            connection.exec_driver_sql(f'DROP {word} IF EXISTS {quote(name)} CASCADE')
    return kept


def close_connections() -> None:
    """Close all connections of this process to the database."""
    db.session.remove()
    db.engine.dispose()


def _file_of_database() -> Path | None:
    return None if is_in_memory(db.engine) else Path(str(db.engine.url.database))
