"""The statements that a migration executes on PostgreSQL, recorded without a database.

The migration runs as in production, with Alembic and SQLAlchemy, but on a connection that only
stores the statements. Queries return no rows, as in an empty database.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from sqlalchemy import Connection, Engine, NullPool, make_url
from sqlalchemy.dialects.postgresql.base import PGDialect, PGTypeCompiler

RETURNS_ROWS = re.compile(r'\s*(SELECT|WITH|VALUES|SHOW|TABLE)\b|.*\bRETURNING\b', re.I | re.S)
COUNTS_ROWS = re.compile(r'\s*SELECT\s+count\(', re.IGNORECASE)


class Statement(NamedTuple):
    """A statement that a migration executed.

    :param transaction: the number of its transaction; None in an `autocommit_block`.
    """

    sql: str
    transaction: int | None


@dataclass(frozen=True, slots=True)
class Recording:
    """The statements of a migration.

    :param enums: the names of the enumerated types that the statements use.
    :param error: the first line of the error that the migration raised, or None.
    """

    migration: Script
    statements: list[Statement]
    enums: set[str]
    error: str | None = None


def record(migration: Script) -> Recording:
    """Run the upgrade of a migration without a database, and return its statements."""
    driver = _Driver()
    with _recorder(driver).connect() as connection:
        try:
            run_on_connection(migration.module.upgrade, connection)
        except Exception as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            return Recording(migration, driver.statements, driver.enums, reason)
    return Recording(migration, driver.statements, driver.enums)


def run_on_connection(
    function: Callable[[], object], connection: Connection, **options: object
) -> None:
    """Run `upgrade` or `downgrade` of a migration in a transaction, and store no version."""
    context = MigrationContext.configure(connection, opts=dict(options))
    # On SQLite, Alembic begins only transactions of single migrations.
    is_single = not context.impl.transactional_ddl
    with context.begin_transaction(_per_migration=is_single), Operations.context(context):
        function()


def _recorder(driver: '_Driver') -> Engine:
    dialect = _Dialect()  # type: ignore[no-untyped-call]
    dialect.dbapi = driver  # type: ignore[assignment]
    pool = NullPool(lambda: driver, dialect=dialect)  # type: ignore[arg-type]
    return Engine(pool, dialect, make_url('postgresql://'))


class _TypeCompiler(PGTypeCompiler):
    """The compiler of column types, which also stores the names of enumerated types."""

    def visit_ENUM(self, type_: Any, identifier_preparer: Any = None, **kw: Any) -> Any:
        """Return the name of an enumerated type in SQL."""
        dialect: Any = self.dialect
        dialect.dbapi.enums.add(type_.name)
        return super().visit_ENUM(type_, identifier_preparer, **kw)  # type: ignore[no-untyped-call]


class _Dialect(PGDialect):
    """PostgreSQL without a server, so SQLAlchemy must not query its version or settings."""

    supports_statement_cache = True
    type_compiler_cls = _TypeCompiler
    server_version_info = (15, 0)
    default_isolation_level = 'READ COMMITTED'

    def set_isolation_level(self, dbapi_connection: Any, level: str) -> None:
        """Store whether the following statements commit immediately."""
        dbapi_connection.is_autocommit = level == 'AUTOCOMMIT'

    def get_isolation_level(self, dbapi_connection: Any) -> Any:
        """Return the isolation level that PostgreSQL has by default."""
        return 'AUTOCOMMIT' if dbapi_connection.is_autocommit else 'READ COMMITTED'

    def get_isolation_level_values(self, dbapi_conn: Any) -> Any:
        """Return the isolation levels that PostgreSQL has, as its driver does."""
        return ('AUTOCOMMIT', 'READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')


@dataclass(slots=True, eq=False)
class _Driver:
    """A driver (PEP 249) and its only connection, which stores the statements."""

    statements: list[Statement] = field(default_factory=list)
    is_autocommit: bool = False
    transaction: int = 0
    enums: set[str] = field(default_factory=set)
    Error = Exception

    def cursor(self) -> '_Cursor':
        return _Cursor(self)

    def commit(self) -> None:
        self.transaction += 1

    rollback = commit

    def close(self) -> None:
        """Do nothing: there is no server."""


@dataclass(slots=True)
class _Cursor:
    connection: _Driver
    description: list[tuple[Any, ...]] | None = None
    rowcount: int = 0
    rows: list[tuple[Any, ...]] = field(default_factory=list)

    def execute(self, sql: str, _parameters: object = None) -> None:
        driver = self.connection
        number = None if driver.is_autocommit else driver.transaction
        driver.statements.append(Statement(sql, number))
        if RETURNS_ROWS.match(sql):
            self.description = [('column', *[None] * 6)]
            self.rows = [(0,)] if COUNTS_ROWS.match(sql) else []

    def executemany(self, sql: str, _parameters: object = None) -> None:
        self.execute(sql)

    def fetchone(self) -> tuple[Any, ...] | None:
        return self.rows.pop(0) if self.rows else None

    def fetchall(self) -> list[tuple[Any, ...]]:
        rows, self.rows = self.rows, []
        return rows

    def fetchmany(self, _size: int | None = None) -> list[tuple[Any, ...]]:
        return self.fetchall()

    def close(self) -> None:
        """Do nothing: there is no server."""
