"""One row for each table of a database, for any columns and constraints.

The values follow from the tables as the database describes them, so new tables need no code here.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Column,
    Connection,
    Enum,
    ForeignKeyConstraint,
    MetaData,
    Table,
    inspect,
    literal_column,
    select,
    types,
)  # fmt: skip
from sqlalchemy.exc import DataError, IntegrityError

CHOICES = re.compile(r"(?:\bIN\b|\bARRAY\b|=)\s*\W*'((?:[^']|'')*)'", re.IGNORECASE)
TEXT = 'ada@example.com'
MOMENT = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - SQLite has no time zones
# Texts for types of PostgreSQL that have no type in Python.
OTHER_TEXTS = (TEXT, '127.0.0.1', '08:00:2b:01:02:03', '(1,1)', '[1,2)', '{}', '0/0', '1', '101')
ATTEMPTS = 20
UUID_LENGTH = 32

_numbers = count(1)


class NoRow(Exception):
    """No row fulfils the constraints of a table. The message names the table and the last error."""


def add_rows(connection: Connection, values: Mapping[str, object] | None = None) -> None:
    """Add one row to each table that has none.

    :param values: values of certain columns (`table.column`) instead of generated ones.
    :raises NoRow: if the constraints of a table reject all values that were tried.
    """
    names = [name for name in inspect(connection).get_table_names() if name != 'alembic_version']
    empty = [name for name in names if _first_row(connection, table_of(name)) is None]
    if not empty:
        return
    metadata = MetaData()
    # This also describes the tables that they reference.
    metadata.reflect(connection, only=empty)
    rows: dict[str, Mapping[Any, Any]] = {}
    for table in metadata.sorted_tables:
        found = _first_row(connection, table)
        rows[table.name] = found or _insert(connection, table, rows, values or {})


def table_of(name: str) -> Table:
    """Return a table without columns."""
    return Table(name, MetaData())


def _first_row(connection: Connection, table: Table) -> Mapping[Any, Any] | None:
    columns = table.columns if len(table.columns) else [literal_column('*')]
    return connection.execute(select(*columns).select_from(table).limit(1)).mappings().first()


def _insert(
    connection: Connection,
    table: Table,
    rows: Mapping[str, Mapping[Any, Any]],
    values: Mapping[str, object],
) -> Mapping[Any, Any]:
    given = {c.name: values[str(c)] for c in table.columns if str(c) in values}
    checks = [each['sqltext'] for each in inspect(connection).get_check_constraints(table.name)]
    error: Exception | None = None
    for number in range(ATTEMPTS):
        row = {
            column.name: _value(column, checks, number)
            for column in table.columns
            if not _is_generated(column)
        }
        for key in table.foreign_key_constraints:
            row |= _reference(key, row, rows)
        try:
            with connection.begin_nested():
                connection.execute(table.insert().values(row | given))
        except (IntegrityError, DataError) as failure:
            error = failure
        else:
            return _first_row(connection, table) or {}
    raise NoRow(f'{table.name}: {error}')


def _reference(
    key: ForeignKeyConstraint, row: dict[str, Any], rows: Mapping[str, Mapping[Any, Any]]
) -> dict[str, Any]:
    """Return the columns of a foreign key with the values of the referenced row."""
    target = rows.get(key.referred_table.name)
    pairs = [(element.parent.name, element.column.name) for element in key.elements]
    if target is None:  # A row that references itself, or a cycle of tables.
        is_own = key.referred_table is key.parent
        return {own: row.get(other) if is_own else None for own, other in pairs}
    return {own: target[other] for own, other in pairs}


def _is_generated(column: Column[Any]) -> bool:
    return column.computed is not None or column.identity is not None


def _value(column: Column[Any], checks: list[str], number: int) -> Any:
    """Return a value of the type of a column.

    :param number: the number of the attempt: other values are tried after an error.
    """
    for check in checks:
        # PostgreSQL adds casts to the constraints.
        if re.search(rf'\b{re.escape(column.name)}\b', check) and (found := CHOICES.findall(check)):
            return found[number % len(found)].replace("''", "'")
    return next(iter(_values(column.type, number)))


def _values(kind: Any, number: int) -> Iterator[Any]:
    """Yield a value of a type."""
    if isinstance(kind, Enum):
        yield kind.enums[number % len(kind.enums)]
    elif isinstance(kind, types.ARRAY):
        yield [next(_values(kind.item_type, number))]
    elif isinstance(kind, types.JSON):
        yield {}
    elif isinstance(kind, types.Uuid):
        yield UUID(int=next(_numbers))
    elif isinstance(kind, types.CHAR) and kind.length == UUID_LENGTH:
        yield UUID(int=next(_numbers)).hex  # The type of UUIDs on SQLite.
    elif isinstance(kind, types.Boolean):
        yield number % 2 == 1
    elif isinstance(kind, types.DateTime):
        yield MOMENT
    elif isinstance(kind, types.Numeric):
        yield Decimal(number + 1).scaleb(-(kind.scale or 0))
    else:
        yield _plain_value(kind, number)


def _plain_value(kind: Any, number: int) -> Any:
    values: dict[type | None, Any] = {
        int: number + 1,
        float: float(number + 1),
        bytes: b'x' * min(getattr(kind, 'length', None) or 8, 32),
        date: MOMENT.date(),
        time: MOMENT.time(),
        timedelta: timedelta(seconds=number + 1),
        str: _text(getattr(kind, 'length', None), number),
    }
    try:
        python_type = kind.python_type
    except NotImplementedError:
        python_type = None
    return values.get(python_type, OTHER_TEXTS[number % len(OTHER_TEXTS)])


def _text(length: int | None, number: int) -> str:
    """Return a short text. Longer ones are a valid email address, which some migrations read."""
    if length is not None and length < len(TEXT):
        return str(number % 10)
    return TEXT
