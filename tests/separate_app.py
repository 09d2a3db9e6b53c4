"""Separate application for tests that commit, migrate or run threads."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask

from config.testing import TestingConfig
from project import create_app
from project.core.database.session import db
from tests.databases import fresh_database


@contextmanager
def application(folder: Path, name: str) -> Iterator[Flask]:
    """Create an application with its own empty database, and enter its context.

    SQLite uses a file, because a database in memory supports one connection only.
    """
    with fresh_database(name) as url:

        class Config(TestingConfig):
            SQLALCHEMY_DATABASE_URI = (
                f'sqlite:///{folder}/own.sqlite' if url == 'sqlite://' else url
            )
            STORAGE_URL = f'file://{folder}/own-storage'
            MAIL_URL = f'file://{folder}/own-mail'
            MAINTENANCE_FILE = f'{folder}/own-maintenance'
            FILES_PUBLIC_FOLDER = f'{folder}/own-public'

        app = create_app(Config)
        with app.app_context():
            try:
                yield app
            finally:
                db.session.remove()
                db.engine.dispose()
