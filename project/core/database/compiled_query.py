"""SELECTs that are compiled once and then run by the database driver, for frequent queries.

With SQLAlchemy, each execution of a statement takes as much time in Python as in the database. A
`CompiledQuery` keeps the SQL and the type conversions between executions.
"""

import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Generic

from sqlalchemy import Dialect, Engine

from .rows import R, validate_row
from .session import AnySelect, db

Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _CompiledStatement:
    """A statement compiled for one database driver, with the type conversions of its values."""

    sql: str
    # The names of the parameters in order, if the driver uses positional parameters; otherwise
    # None.
    positions: tuple[str, ...] | None
    constants: dict[str, Any]
    binds: dict[str, Convert]
    results: tuple[Convert | None, ...]

    def parameters(self, values: dict[str, Any]) -> Any:
        """Return the values in the form that the driver expects."""
        known = {**self.constants, **values}
        for name, convert in self.binds.items():
            known[name] = convert(known[name])
        return known if self.positions is None else [known[name] for name in self.positions]


class CompiledQuery(Generic[R]):
    """A SELECT of columns with named parameters (`bindparam`).

    :param row: the type of the returned rows, a NamedTuple.
    :raises TypeError: if the fields of a row are not the columns of the statement.
    """

    def __init__(self, row: type[R], statement: AnySelect) -> None:
        validate_row(row, [str(column.key) for column in statement.selected_columns])
        self.statement = statement
        self._make_row: Callable[[Any], R] = row._make
        self._plans: dict[str, _CompiledStatement] = {}

    def all(self, **values: Any) -> list[R]:
        """Return all rows. Inside `atomic`, they include the changes of the transaction."""
        bind = db.engines[None]
        # Check the registry first: `db.session()` would create a session, which a request without
        # writes does not need.
        if db.session.registry.has() and db.session().info.get('atomic'):
            db.session().flush()
        elif isinstance(bind, Engine):  # In tests, it is a connection in a transaction of the test.
            with suppress(bind.dialect.loaded_dbapi.Error):
                return self._all_by_driver(bind, values)
            # After an error, SQLAlchemy runs the query again. Its event listeners classify the
            # error (lost connection, damaged database, wrong statement) and invalidate connections.
        rows = db.session().connection().execute(self.statement, values)
        return [self._make_row(row) for row in rows]

    def first(self, **values: Any) -> R | None:
        """Return the first row, or None."""
        rows = self.all(**values)
        return rows[0] if rows else None

    def _all_by_driver(self, engine: Engine, values: dict[str, Any]) -> list[R]:
        plan = self._plans.get(engine.name) or self._compile(engine.dialect)
        with _borrowed(engine) as connection:
            cursor = connection.cursor()
            try:
                cursor.execute(plan.sql, plan.parameters(values))
                found = cursor.fetchall()
            finally:
                cursor.close()
        columns = enumerate(plan.results)
        converted = [(at, convert) for at, convert in columns if convert]
        if not converted:
            return [self._make_row(row) for row in found]
        rows = []
        for row in found:
            cells = list(row)
            for at, convert in converted:
                cells[at] = convert(cells[at])
            rows.append(self._make_row(cells))
        return rows

    def _compile(self, dialect: Dialect) -> _CompiledStatement:
        compiled: Any = self.statement.compile(dialect=dialect)
        kinds = {name: bind.type.dialect_impl(dialect) for name, bind in compiled.binds.items()}
        binds = {name: kind.bind_processor(dialect) for name, kind in kinds.items()}
        results = [
            column.type.dialect_impl(dialect).result_processor(dialect, None)
            for column in self.statement.selected_columns
        ]
        plan = _CompiledStatement(
            sql=str(compiled),
            positions=tuple(compiled.positiontup) if compiled.positional else None,
            constants=compiled.construct_params(_check=False),
            binds={name: convert for name, convert in binds.items() if convert},
            results=tuple(results),
        )
        self._plans[dialect.name] = plan
        return plan


_run_by_driver = CompiledQuery._all_by_driver


def report_queries(report: Callable[[str, float], None]) -> None:
    """Call a function after each query of this process, for figures in development.

    The event listeners of SQLAlchemy do not receive these queries. Production does not call this
    function, so queries cost nothing more there.

    :param report: a function of the SQL and its time in seconds.
    """

    def measured(self: CompiledQuery[R], engine: Engine, values: dict[str, Any]) -> list[R]:
        began = time.perf_counter()
        rows = _run_by_driver(self, engine, values)
        report(self._plans[engine.name].sql, time.perf_counter() - began)
        return rows

    # `setattr`, because the type checkers reject the assignment of a generic method.
    setattr(CompiledQuery, '_all_by_driver', measured)  # noqa: B010


@contextmanager
def _borrowed(engine: Engine) -> Any:
    """Provide a connection of the pool to a `with` block; invalidate it after an error."""
    connection = engine.raw_connection()
    try:
        yield connection
    except engine.dialect.loaded_dbapi.Error:
        connection.invalidate()
        raise
    finally:
        connection.close()
