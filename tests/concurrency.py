"""Concurrent calls: an application on a database of its own, and threads that start together."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from threading import Barrier
from typing import Any

from flask import Flask

from config.testing import TestingConfig
from project import create_app
from project.core.database.session import db
from project.core.errors import ApiError
from tests.databases import create_tables, fresh_database
from tests.pending_tasks import run_pending_tasks

# SQLite has one writer at a time: what can deadlock or overlap at all does so in a few rounds.
RACE_ROUNDS = 15 if os.environ.get('TEST_DATABASE_URL') else 4


@contextmanager
def separate_app(folder: Path) -> Iterator[Flask]:
    """Make an application whose transactions are real, and enter its context.

    The other tests share one connection, on which nothing can race.
    """
    with fresh_database('race') as url:

        class Config(TestingConfig):
            SQLALCHEMY_DATABASE_URI = f'sqlite:///{folder}/race.db' if url == 'sqlite://' else url
            STORAGE_URL = f'file://{folder}/storage'
            MAIL_URL = f'file://{folder}/mail'
            MAINTENANCE_FILE = f'{folder}/maintenance'

        app = create_app(Config)
        with app.app_context():
            create_tables()
            try:
                yield app
            finally:
                db.session.remove()
                db.engine.dispose()


def run_concurrently(app: Flask, *calls: Callable[[], Any]) -> list[Any]:
    """Call all of them from threads that start together; return their results, or refusals."""
    start = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        with app.app_context():
            start.wait()
            try:
                return call()
            except ApiError as refusal:
                return refusal

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


def mails_of(app: Flask, folder: Path) -> list[EmailMessage]:
    """Return the mails that an application has put into a folder, in no order."""
    run_pending_tasks(app)
    found = (path.read_bytes() for path in folder.glob('*.eml'))
    return [message_from_bytes(content, policy=policy.default) for content in found]
