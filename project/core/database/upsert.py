"""INSERT … ON CONFLICT for SQLite and PostgreSQL, for which SQLAlchemy has two functions."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Insert
from sqlalchemy.dialects import postgresql, sqlite

from .session import Base, db

DIALECTS = {'postgresql': postgresql.insert, 'sqlite': sqlite.insert}


def upsert(
    model: type[Base],
    values: Mapping[str, Any] | None = None,
    *,
    conflict: Sequence[str],
    change: Mapping[str, Any],
    where: ColumnElement[bool] | None = None,
) -> Insert:
    """Return an INSERT that instead updates the existing row if there is one.

    :param values: the values of a new row; None if they are parameters of the execution.
    :param conflict: the columns of the unique constraint that identifies the existing row.
    :param change: the values that an existing row gets.
    :param where: the condition for the change. An existing row that does not match stays as it is.
    """
    insert = _insert(model)
    if values is not None:
        insert = insert.values(**values)
    updated: Insert = insert.on_conflict_do_update(
        index_elements=conflict, set_=dict(change), where=where
    )
    return updated


def new_row(model: type[Base]) -> Any:
    """Return the columns of the row that an `upsert` tries to insert, for its `change`."""
    return _insert(model).excluded


def insert_or_ignore(model: type[Base]) -> Insert:
    """Return an INSERT that skips rows which violate a unique constraint of the table."""
    ignored: Insert = _insert(model).on_conflict_do_nothing()
    return ignored


def _insert(model: type[Base]) -> Any:
    return DIALECTS[db.session.get_bind().dialect.name](model)
