"""The rows of `flask db seed`. Each feature creates its own in `tests/<feature>/seed.py`.

Such a module has functions `seed_<rows>(world)`, which create rows with the factories of the
feature. They run in the order of the source, and the features in the order of their requirements.
So a function finds the users, and what other features have recorded, in `world`.
"""

import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from types import ModuleType
from typing import Any
from unittest.mock import patch

from flask import current_app
from sqlalchemy import Engine, event

from project.core.clock import now
from project.core.database.engines import is_in_memory
from project.core.database.session import db
from tests.feature_modules import feature_modules

FAST = {'sqlite': 'PRAGMA synchronous=OFF', 'postgresql': 'SET synchronous_commit = off'}
DURABLE = {'sqlite': 'PRAGMA synchronous=FULL', 'postgresql': 'RESET synchronous_commit'}


@dataclass
class Login:
    """A created user, for the table that the command prints."""

    username: str
    email: str
    password: str = '-'
    description: str = ''


@dataclass
class World:
    """The created rows, and the source of random choices.

    :param random: a generator with a fixed start. The same start makes the same choices.
    :param is_large: whether to create some thousands of rows instead of about 200.
    :param users: the created active users. Other features create rows for them.
    :param logins: the users that the command prints.
    :param hints: commands to try, in the order of the features.
    """

    random: Random
    is_large: bool
    users: list[Any] = field(default_factory=list)
    logins: list[Login] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)

    def count(self, small: int, large: int) -> int:
        """Return the number of rows for the size of this world."""
        return large if self.is_large else small

    @property
    def url(self) -> str:
        """Return the URL of version 1 of the API, for hints."""
        return f'{current_app.config["PUBLIC_URL"]}/api/v1'

    def past(self, max_days: float) -> datetime:
        """Return a random time of the last `max_days` days."""
        return now() - timedelta(days=self.random.uniform(0, max_days))


def seed_features(number: int, *, is_large: bool) -> World:
    """Create the rows of all features.

    :param number: the start of the random choices.
    """
    world = World(Random(number), is_large)
    with one_sync():
        for module in feature_modules('seed'):
            for seed in functions_of(module):
                seed(world)
    return world


@contextmanager
def one_sync() -> Iterator[None]:
    """Make all rows and objects of the block durable at its end, and not one after the other.

    A large world commits 5,500 times and syncs 4,000 files and folders, which takes half of the
    time on a fast disk and nine tenths on a slow one.
    """
    # A database in memory has no files. In the tests, the engine is a connection with a
    # transaction, in which SQLite does not allow the change.
    is_on_disk = isinstance(db.engine, Engine) and not is_in_memory(db.engine)
    listeners = {'checkout': FAST, 'checkin': DURABLE} if is_on_disk else {}
    functions = {name: executor(sql[db.engine.dialect.name]) for name, sql in listeners.items()}
    db.session.remove()
    for name, function in functions.items():
        event.listen(db.engine, name, function)
    try:
        with patch('os.fsync', return_value=None):
            yield
    finally:
        # The connection returns to the pool, which restores its setting.
        db.session.remove()
        for name, function in functions.items():
            event.remove(db.engine, name, function)
        os.sync()


def executor(statement: str) -> Callable[..., None]:
    """Return a listener that executes a statement on a connection of the pool."""

    def execute(connection: Any, *_: object) -> None:
        with closing(connection.cursor()) as cursor:
            cursor.execute(statement)

    return execute


def functions_of(module: ModuleType) -> Iterator[Callable[[World], None]]:
    """Yield the functions `seed_…` of a module, in the order of its source."""
    found = [
        function
        for name, function in vars(module).items()
        if name.startswith('seed_')
        and inspect.isfunction(function)
        and function.__module__ == module.__name__
    ]
    yield from sorted(found, key=lambda function: function.__code__.co_firstlineno)


def report_of(world: World) -> str:
    """Return the created logins as a table, and the hints below it."""
    rows = [('LOGIN', 'EMAIL', 'PASSWORD', '')]
    rows += [(one.username, one.email, one.password, one.description) for one in world.logins]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = [
        '  '.join(text.ljust(size) for text, size in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return '\n'.join([*table, '', 'Try:', *(f'$ {hint}' for hint in world.hints)])
