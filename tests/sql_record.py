"""Selection of the tests that execute SQL.

The environment variable `TESTS_WITHOUT_SQL` names a file. A run on SQLite writes the ids of the
tests without SQL to it. A run on PostgreSQL skips these tests, because the result would be the
same. They are half of all tests and take a fifth of the CPU time. Tests that are not in the file
run. `.ci/run` sets the variable for two runs of the same commit.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from tests.databases import Uses

RECORD = Path(os.environ['TESTS_WITHOUT_SQL']) if 'TESTS_WITHOUT_SQL' in os.environ else None
HAS_PASSED = pytest.StashKey[bool]()
IS_ON_SQLITE = not os.environ.get('TEST_DATABASE_URL')


if RECORD and IS_ON_SQLITE:

    @event.listens_for(Engine, 'before_cursor_execute')
    def _count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        # The fixture `isolation` executes this statement for every test.
        if statement != 'BEGIN IMMEDIATE':
            Uses.add()

    @event.listens_for(Engine, 'do_connect')
    def _count_connection(*_: Any) -> None:
        # A failed connection counts, too: some tests use a database that is down.
        Uses.add()

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(fixturedef: Any) -> Iterator[None]:
        """Record a fixture if several tests share it and it uses a database; not `app`."""
        before = Uses.count
        try:
            return (yield)
        finally:
            if (
                Uses.count > before
                and fixturedef.scope != 'function'
                and fixturedef.argname != 'app'
            ):
                Uses.fixtures.add(fixturedef.argname)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
        """Store whether a test passed. Only passed tests are recorded as tests without SQL."""
        report = yield
        if report.when == 'call':
            item.stash[HAS_PASSED] = report.passed
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(item: pytest.Function) -> Iterator[None]:
        """Record the test if it used neither a database nor Redis."""
        before = Uses.count
        result = yield
        uses_fixture = Uses.fixtures.intersection(item.fixturenames)
        uses_none = Uses.count == before and not uses_fixture
        has_passed = item.stash.get(HAS_PASSED, False)
        if uses_none and has_passed and not item.get_closest_marker('redis'):
            with RECORD.open('a') as file:
                file.write(f'{item.nodeid}\n')
        return result


if RECORD and not IS_ON_SQLITE:

    def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
        """Deselect the recorded tests."""
        recorded = set(RECORD.read_text().splitlines())
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in recorded])
        items[:] = [item for item in items if item.nodeid not in recorded]
