"""Check that each SQL statement of the suite touches only tables that its feature may use.

The issuing feature is that of the innermost frame of the call stack in `project/<feature>/`.
Functions of the core run for the feature that calls them. There are two exceptions:

- A flush may write objects of other features, so an object is checked when it is added to the
  session, and not when it is written.
- A generator of the core runs for the feature that has created it. This may be a feature above the
  one that reads it, for example if `users` writes the rows of all features to an export.
"""

import sys
from collections.abc import Iterator
from functools import cache
from inspect import CO_GENERATOR
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.orm import session

from project.core.features import PROJECT, find_features
from tests.sql_tables import tables_in

TESTS = Path(__file__).resolve().parent
FLUSH: CodeType = session.Session._flush.__code__


class Violation(NamedTuple):
    """A statement of a feature on tables of others."""

    place: str
    feature: str
    tables: tuple[str, ...]
    sql: str

    def __str__(self) -> str:
        owner = owner_of(self.tables[0])
        return (
            f'{self.place}: `{self.feature}` executes SQL on {", ".join(self.tables)}: '
            f'{" ".join(self.sql.split())[:160]}. Remedy: call a service function of `{owner}` and '
            f'add {owner!r} to requires in project/{self.feature}/__init__.py.'
        )


class Recorder:
    """The violations since the last test ended."""

    violations: list[Violation] = []

    @classmethod
    def add(cls, sql: str, frame: FrameType) -> None:
        """Record a statement if it is a violation."""
        if found := find_violation(sql, frame):
            cls.violations.append(found)


@cache
def required_by() -> dict[str, frozenset[str]]:
    """Return the features whose tables each feature may use."""
    return {each.name: frozenset({each.name, *each.requires}) for each in find_features()}


@cache
def owner_of(table: str) -> str | None:
    """Return the feature with whose name a table begins; None for tables of the core and others."""
    owners = [name for name in required_by() if table == name or table.startswith(f'{name}_')]
    return max(owners, key=len, default=None)


@cache
def owners_in(sql: str) -> frozenset[str]:
    """Return the features whose tables a statement contains."""
    return frozenset(filter(None, map(owner_of, tables_in(sql))))


@cache
def package_of(filename: str) -> str | None:
    """Return the feature of a file, `core`, `tests` for the suite, or None for other files."""
    for folder in (PROJECT, TESTS):
        if filename.startswith(f'{folder}/'):
            inside = filename.removeprefix(f'{folder}/').split('/')[0]
            known = {'core', *required_by()}
            return 'tests' if folder == TESTS else inside if inside in known else None
    return None


def find_violation(sql: str, frame: FrameType | None) -> Violation | None:
    """Return the violation of a statement that is executed in a frame, or None."""
    owners = owners_in(sql)
    is_generator = False
    while frame is not None:
        package = package_of(frame.f_code.co_filename)
        if package == 'tests' or frame.f_code is FLUSH:
            return None
        if package == 'core':
            is_generator = is_generator or bool(frame.f_code.co_flags & CO_GENERATOR)
        elif package is not None:
            allowed = usable_from(package, is_generator)
            return None if owners <= allowed else _violation(sql, package, allowed, frame)
        frame = frame.f_back
    return None


def usable_from(feature: str, is_generator: bool) -> frozenset[str]:
    """Return the features whose tables a statement of a feature may touch."""
    required = required_by()
    above = [names for names in required.values() if is_generator and feature in names]
    return frozenset().union(required[feature], *above)


def _violation(sql: str, feature: str, allowed: frozenset[str], frame: FrameType) -> Violation:
    place = f'{Path(frame.f_code.co_filename).relative_to(PROJECT.parent)}:{frame.f_lineno}'
    tables = sorted(t for t in tables_in(sql) if (owner_of(t) or feature) not in allowed)
    return Violation(place, feature, tuple(tables), sql)


@event.listens_for(Engine, 'before_cursor_execute')
def _record(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
    if owners_in(sql):
        Recorder.add(sql, sys._getframe(1))


@event.listens_for(session.Session, 'transient_to_pending')
def _record_added(_session: Any, added: Any) -> None:
    Recorder.add(f'INSERT INTO {added.__table__.name}', sys._getframe(1))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """Fail each test in which a feature executes SQL on tables that it may not use.

    A fixture for all tests would take ten times as long.
    """
    result = yield
    found = sorted(set(map(str, Recorder.violations)))
    Recorder.violations.clear()
    assert not found, '\n'.join(found)
    return result
