"""Concurrent calls: an application with its own database, and threads that start together."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier
from typing import Any

from flask import Flask

from config.testing import TestingConfig
from project import create_app
from project.core.errors import ApiError
from tests.databases import closing_connections, create_tables, fresh_database
from tests.kit.mailbox import Mail, mails_in
from tests.kit.tasks import run_pending_tasks

# SQLite has one writer at a time. Four rounds are enough for the few races that are possible.
RACE_ROUNDS = 15 if os.environ.get('TEST_DATABASE_URL') else 4


@contextmanager
def separate_app(folder: Path) -> Iterator[Flask]:
    """Create an application that really commits its transactions, and enter its context.

    Other tests share one connection, on which two transactions cannot run at the same time.
    """
    with fresh_database('race') as url:

        class Config(TestingConfig):
            SQLALCHEMY_DATABASE_URI = f'sqlite:///{folder}/race.db' if url == 'sqlite://' else url
            STORAGE_URL = f'file://{folder}/storage'
            MAIL_URL = f'file://{folder}/mail'
            MAINTENANCE_FILE = f'{folder}/maintenance'

        with closing_connections(create_app(Config)) as app, app.app_context():
            create_tables()
            yield app


def run_concurrently(app: Flask, *calls: Callable[[], Any]) -> list[Any]:
    """Call functions in threads that start at the same time.

    Returns the result of each call, or its `ApiError`.
    """
    start = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        with app.app_context():
            start.wait()
            try:
                return call()
            except ApiError as error:
                return error

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


def mails_of(app: Flask, folder: Path) -> list[Mail]:
    """Run the pending tasks; return all mails that an application has written to a folder."""
    run_pending_tasks(app)
    return mails_in(folder)
