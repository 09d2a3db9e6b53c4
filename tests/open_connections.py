"""Fails a test run in which a test leaves a connection to SQLite open.

Python 3.13 and newer warn about such a connection when they delete it, which is during any later
test. This check works with all versions, and names the test that opened the connection.
"""

import os
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

# All connections of this process, and the tests that opened them. A reference is kept to each of
# them, because deleting a connection closes it.
_opened: list[tuple[sqlite3.Connection, str]] = []
_connect = sqlite3.connect


def pytest_configure() -> None:
    """Record all connections from now on: SQLAlchemy uses `dbapi2`, tests use `sqlite3`."""
    sqlite3.connect = sqlite3.dbapi2.connect = _recording_connect


def _recording_connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
    connection = _connect(*arguments, **options)
    _opened.append((connection, os.environ.get('PYTEST_CURRENT_TEST', 'no test')))
    return connection


@pytest.fixture(scope='session', autouse=True)
def closed_connections() -> Iterator[None]:
    """Fail the last test of a run if connections are open that the run has opened.

    pytest enters this fixture first, so it ends after all other fixtures of the session.
    """
    yield
    assert names_of_open(_opened) == [], 'close these connections (tests.databases)'


def names_of_open(opened: list[tuple[sqlite3.Connection, str]]) -> list[str]:
    """Return the names of the tests whose connections are still open."""
    return [name for connection, name in opened if _is_open(connection)]


def _is_open(connection: sqlite3.Connection) -> bool:
    try:
        connection.total_changes  # noqa: B018 - the only attribute that any thread may read
    except sqlite3.ProgrammingError:
        return False
    return True
