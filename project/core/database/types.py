"""Column types that behave the same on SQLite and PostgreSQL."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Text, TypeDecorator
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class UTCDateTime(TypeDecorator[datetime]):
    """A moment in UTC. Values have a time zone even on SQLite, which does not store one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        """Return the type of the values. SQLAlchemy does not read it from `impl`."""
        return datetime

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert a moment to UTC.

        :raises ValueError: if it has no time zone.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError('a moment needs a time zone')
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return a moment in UTC."""
        if value is None:
            return None
        moment: datetime = value
        if moment.tzinfo is None:
            return moment.replace(tzinfo=UTC)
        # PostgreSQL returns the time zone of the session, which normally is UTC already.
        return moment.astimezone(UTC) if moment.utcoffset() else moment


class WordList(TypeDecorator[list[str]]):
    """A sorted list of words without spaces. In the database it is one text."""

    impl = Text
    cache_ok = True

    @property
    def python_type(self) -> type[list[str]]:
        """Return the type of the values, not of the text in the database."""
        return list

    def process_bind_param(self, value: list[str] | None, dialect: Dialect) -> str | None:
        """Join the words to one text."""
        return None if value is None else ' '.join(sorted(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> list[str]:
        """Split the text into words."""
        return sorted(value.split()) if value else []


class aggregate_words(FunctionElement[list[str]]):
    """SQL function that aggregates the values of a column to a list of words without spaces.

    SQLAlchemy's `aggregate_strings` is slower: it renders its separator into the SQL at each
    execution.
    """

    type = WordList()
    inherit_cache = True


@compiles(aggregate_words, 'postgresql')
def _aggregate(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"string_agg({compiler.process(element.clauses, **kwargs)}, ' ')"


@compiles(aggregate_words, 'sqlite')
def _concatenate(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"group_concat({compiler.process(element.clauses, **kwargs)}, ' ')"
