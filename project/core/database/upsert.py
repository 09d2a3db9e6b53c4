"""INSERT … ON CONFLICT: what SQLite and PostgreSQL have both, and SQLAlchemy calls by two names."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.dialects import postgresql, sqlite

from .session import Base, db

DIALECTS = {'postgresql': postgresql.insert, 'sqlite': sqlite.insert}


def upsert(
    model: type[Base],
    values: Mapping[str, Any],
    *,
    conflict: Sequence[str],
    change: Mapping[str, Any],
    where: ColumnElement[bool] | None = None,
) -> Any:
    """Return an INSERT that changes the row which is already there, if `where` holds for it.

    :param conflict: the columns whose unique constraint decides that a row is already there.
    """
    insert = _insert(model).values(**values)
    return insert.on_conflict_do_update(index_elements=conflict, set_=dict(change), where=where)


def insert_or_ignore(model: type[Base]) -> Any:
    """Return an INSERT that leaves out rows which any unique constraint of the table refuses."""
    return _insert(model).on_conflict_do_nothing()


def _insert(model: type[Base]) -> Any:
    return DIALECTS[db.session.get_bind().dialect.name](model)
