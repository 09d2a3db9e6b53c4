"""Check that the code of a feature executes SQL only on tables that the feature may use.

The check runs during the tests, for every SQL statement. It determines the feature that executes a
statement from the call stack: the innermost function in `project/<feature>/`. Functions of the core
are skipped, because they run for the feature that calls them. There are two special cases:

- A flush may write objects of other features. So an object is not checked when it is written, but
  when it is added to the session.
- A generator of the core belongs to the feature that has created it, but another feature may be
  reading it. For example, `users` reads the rows of all features when it writes an export. So a
  statement of a generator is also accepted if a feature that requires the reader may execute it.
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

from project.core.database.sql_tables import tables_in
from project.core.features import PROJECT, find_features
from project.core.registration import owner_of_name

TESTS = Path(__file__).resolve().parent
FLUSH: CodeType = session.Session._flush.__code__


class Violation(NamedTuple):
    """An SQL statement with which a feature touches tables that it must not use.

    :param place: the path and the line that executes it.
    :param tables: the tables that the feature must not use.
    """

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
    """The violations of the current test."""

    violations: list[Violation] = []

    @classmethod
    def add(cls, sql: str, frame: FrameType) -> None:
        """Record a statement if it is a violation."""
        if found := find_violation(sql, frame):
            cls.violations.append(found)


@cache
def required_by() -> dict[str, frozenset[str]]:
    """Return, for each feature, the features whose tables it may use: itself and its `requires`."""
    return {each.name: frozenset({each.name, *each.requires}) for each in find_features()}


@cache
def owner_of(table: str) -> str | None:
    """Return the feature with whose name the name of a table begins, or None, as for `core_…`."""
    return owner_of_name(table, required_by())


@cache
def owners_in(sql: str) -> frozenset[str]:
    """Return the features to which the tables in a statement belong."""
    return frozenset(filter(None, map(owner_of, tables_in(sql))))


@cache
def package_of(filename: str) -> str | None:
    """Return the package of a source file.

    :returns: the name of a feature for files in `project/<feature>/`; 'core' for `project/core/`;
        'tests' for all files in `tests/`; None for all other files.
    """
    for folder in (PROJECT, TESTS):
        if filename.startswith(f'{folder}/'):
            inside = filename.removeprefix(f'{folder}/').split('/')[0]
            known = {'core', *required_by()}
            return 'tests' if folder == TESTS else inside if inside in known else None
    return None


def find_violation(sql: str, frame: FrameType | None) -> Violation | None:
    """Return the violation if the statement must not be executed from this call stack, else None.

    :param frame: the innermost frame of the call stack.
    """
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
    """Return the features whose tables a statement may touch, if this feature executes it.

    :param is_generator: whether a generator of the core executes it. The generator may belong to a
        feature that requires this one, so the tables of that feature are allowed, too.
    """
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

    This is a hook, because a fixture for all tests would take ten times as long.
    """
    try:
        result = yield
    finally:
        found = sorted(set(map(str, Recorder.violations)))
        Recorder.violations.clear()
    assert not found, '\n'.join(found)
    return result
