"""Column types that mean the same on SQLite and PostgreSQL."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Text, TypeDecorator
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class UTCDateTime(TypeDecorator[datetime]):
    """An aware moment, always given back in UTC (SQLite forgets the zone). Refuses naive ones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        """Say so, for SQLAlchemy asks no decorator's `impl`; a cursor is read by it."""
        return datetime

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError('a moment needs a time zone')
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Give UTC back."""
        if value is None:
            return None
        moment: datetime = value
        if moment.tzinfo is None:
            return moment.replace(tzinfo=UTC)
        # PostgreSQL answers in the session's zone; where that is UTC there is nothing to convert.
        return moment.astimezone(UTC) if moment.utcoffset() else moment


class WordList(TypeDecorator[list[str]]):
    """Words as one text, or out of an aggregated one; given back sorted. None holds a space."""

    impl = Text
    cache_ok = True

    @property
    def python_type(self) -> type[list[str]]:
        """Return the type of the values; that of the text in the database would be `str`."""
        return list

    def process_bind_param(self, value: list[str] | None, dialect: Dialect) -> str | None:
        """Return one text."""
        return None if value is None else ' '.join(sorted(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> list[str]:
        """Return the words."""
        return sorted(value.split()) if value else []


class aggregate_words(FunctionElement[list[str]]):
    """All the values of a column as one list of words; they must hold no space.

    SQLAlchemy's own `aggregate_strings` writes its separator anew with every statement.
    """

    type = WordList()
    inherit_cache = True


@compiles(aggregate_words, 'postgresql')
def _aggregate(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"string_agg({compiler.process(element.clauses, **kwargs)}, ' ')"


@compiles(aggregate_words, 'sqlite')
def _concatenate(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"group_concat({compiler.process(element.clauses, **kwargs)}, ' ')"
