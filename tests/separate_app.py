"""Applications with their own database, for tests that commit, migrate or use threads."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from flask import Flask

from config.testing import TestingConfig
from project import create_app
from tests.databases import closing_connections, fresh_database, prepared_database


@contextmanager
def application(folder: Path, name: str) -> Iterator[Flask]:
    """Create an application with an empty database, and enter its context.

    SQLite uses a file: a database in memory would have only one connection.
    """
    with (
        fresh_database(name) as url,
        _application(
            folder, f'sqlite:///{folder}/own.sqlite' if url == 'sqlite://' else url
        ) as app,
    ):
        yield app


@contextmanager
def migrated_application(folder: Path, name: str) -> Iterator[Flask]:
    """Create an application with a copy of a migrated database, and enter its context."""
    dialect = 'postgresql' if os.environ.get('TEST_DATABASE_URL') else 'sqlite'
    with (
        prepared_database(dialect, name, folder, migrate) as url,
        _application(folder, url) as app,
    ):
        yield app


def run_on(app: Flask) -> Callable[..., str]:
    """Return a function that runs `flask db …` on the database of an application."""

    def run(*arguments: str) -> str:
        result = app.test_cli_runner().invoke(args=['db', *arguments])
        assert result.exit_code == 0, f'{result.output}{result.exception!r}'
        return result.output

    return run


def migrate(url: str) -> None:
    """Run all migrations on the database at this URL, in this process."""
    with TemporaryDirectory() as folder, _application(Path(folder), url) as app:
        result = app.test_cli_runner().invoke(args=['db', 'upgrade'])
    assert result.exit_code == 0, f'{result.output}{result.exception!r}'


@contextmanager
def _application(folder: Path, url: str) -> Iterator[Flask]:
    class Config(TestingConfig):
        SQLALCHEMY_DATABASE_URI = url
        STORAGE_URL = f'file://{folder}/own-storage'
        MAIL_URL = f'file://{folder}/own-mail'
        MAINTENANCE_FILE = f'{folder}/own-maintenance'
        FILES_PUBLIC_FOLDER = f'{folder}/own-public'

    with closing_connections(create_app(Config)) as app, app.app_context():
        yield app
