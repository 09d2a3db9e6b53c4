"""Runs of each migration on a database with a row in every table: up, down, and up again."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection

from project.core.database.engines import write_execution_options
from project.core.database.migrations.checks import path_of
from project.core.database.migrations.folders import in_order
from project.core.database.migrations.recording import run_on_connection
from tests.table_rows import add_rows


class FailedMigration(Exception):
    """A migration failed on rows. The message names its file and the direction."""


def try_migrations(
    connection: Connection, script: ScriptDirectory, values: Mapping[str, object] | None = None
) -> list[str]:
    """Run all migrations in an empty database, each one up, down and up.

    Before each run, a row is added to every table that has none.

    :param values: values of certain columns (`table.column`) instead of generated ones.
    :returns: the paths of the migrations.
    :raises FailedMigration: if a migration fails, or leaves rows that reference missing ones.
    """
    is_sqlite = connection.dialect.name == 'sqlite'
    if is_sqlite:
        connection.exec_driver_sql('PRAGMA foreign_keys = OFF')
        connection.commit()
    else:
        # A prepared statement fails after a migration has changed the type of a column.
        driver: Any = connection.connection.driver_connection
        driver.prepare_threshold = None
    connection.execution_options(**write_execution_options(connection.engine))
    tried = []
    for migration in in_order(script):
        for direction in ('upgrade', 'downgrade', 'upgrade'):
            with _named(migration, direction):
                run_on_connection(getattr(migration.module, direction), connection)
                connection.commit()
                _fill(connection, values or {})
                if is_sqlite:
                    missing = connection.exec_driver_sql('PRAGMA foreign_key_check').fetchall()
                    connection.commit()
                    assert not missing, f'rows without the row that they reference: {missing}'
        tried.append(path_of(migration))
    return tried


def _fill(connection: Connection, values: Mapping[str, object]) -> None:
    add_rows(connection, values)
    connection.commit()


@contextmanager
def _named(migration: Script, action: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise FailedMigration(f'{path_of(migration)}: {action}: {reason}') from error
