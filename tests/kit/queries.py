"""The SQL statements of the code under test."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from project.core.database.session import db


@pytest.fixture
def queries() -> Callable[..., AbstractContextManager[list[str]]]:
    """Return a context manager that limits the number of statements: `with queries(max=1):`.

    If the block executes more statements, the test fails and prints them. The block gets the list
    of its statements; `with queries() as statements:` only records them. Savepoints and locks of
    users are not counted. `queries(before=function)` calls a function with each statement before it
    is executed; if it raises an error, the statement fails. Raises ValueError for a negative `max`.
    """
    return record_queries


@contextmanager
def record_queries(
    *, max: int | None = None, before: Callable[[str], object] | None = None
) -> Iterator[list[str]]:
    """Record the statements on the database of the current application.

    :param max: the largest allowed number of statements; None for any number.
    :param before: called with each statement before its execution.
    :raises AssertionError: if there are more. The message contains all statements.
    """
    if max is not None and max < 0:
        raise ValueError(f'max={max}: the number of statements cannot be negative')
    statements: list[str] = []

    def record(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        # Locks of users are not counted: only PostgreSQL needs a statement for them, and the
        # maximum must hold for both databases.
        is_lock = 'FROM users' in statement and statement.endswith('FOR NO KEY UPDATE')
        if not is_lock and not statement.startswith(('SAVEPOINT', 'RELEASE', 'ROLLBACK')):
            statements.append(statement)
            if before:
                before(statement)

    database = db.engines[None]
    event.listen(database, 'before_cursor_execute', record)
    try:
        yield statements
    finally:
        event.remove(database, 'before_cursor_execute', record)
    if max is not None and len(statements) > max:
        listed = '\n'.join(f'{number}. {sql}' for number, sql in enumerate(statements, 1))
        raise AssertionError(f'{len(statements)} statements, but at most {max}:\n{listed}')
