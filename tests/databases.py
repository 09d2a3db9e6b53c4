"""Databases to test on: SQLite in memory, or one made on the server of `TEST_DATABASE_URL`."""

import atexit
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, create_engine, make_url

from project.core.database.session import db


class Uses:
    """The uses of databases in this process: statements, and databases for other processes."""

    count = 0
    # Fixtures of a wider scope than one test: all tests that request them depend on their rows.
    fixtures: set[str] = set()

    @classmethod
    def add(cls) -> None:
        """Count one use."""
        cls.count += 1


_templates = ExitStack()
atexit.register(_templates.close)


@contextmanager
def fresh_database(name: str, template: str = 'template1') -> Iterator[str]:
    """Make an empty database for a while and give its URL.

    :param template: the database on the same server of which it is a copy.

    Refuses a server whose database does not say `test`: that one might be somebody's.
    """
    Uses.add()
    server = os.environ.get('TEST_DATABASE_URL')
    if not server:
        yield 'sqlite://'
        return
    url = make_url(server)
    if 'test' not in (url.database or ''):
        raise SystemExit('TEST_DATABASE_URL must name a database that says test')
    name = f'{url.database}_{name}_{uuid4().hex[:8]}'
    admin = create_engine(url, isolation_level='AUTOCOMMIT')
    with admin.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')
        admin.dispose()


def create_tables() -> None:
    """Create the tables of the models in the empty database of the current application.

    On SQLite it is a copy of a database that has them, which takes a tenth of the time.
    """
    url = db.engine.url
    if url.get_backend_name() != 'sqlite':
        db.create_all()
        return
    template = _sqlite_template(tuple(db.metadata.tables))
    if url.database:
        # A copy over the database of an open connection would damage it.
        assert not Path(url.database).exists()
        Path(url.database).write_bytes(template)
    else:
        with db.engine.connect() as connection:
            _driver_connection(connection).deserialize(template)


def _driver_connection(connection: Connection) -> Any:
    return connection.connection.driver_connection


@cache
def _sqlite_template(tables: tuple[str, ...]) -> bytes:
    """Return a SQLite database with the tables of the models; their names are the cache's key."""
    engine = create_engine('sqlite://')
    with engine.connect() as connection:
        db.metadata.create_all(connection)
        connection.commit()
        content: bytes = _driver_connection(connection).serialize()
    engine.dispose()
    return content


@contextmanager
def prepared_database(
    dialect: str, name: str, folder: Path, prepare: Callable[[str], None]
) -> Iterator[str]:
    """Create a database with tables, and delete it at the end.

    Copies a template: a copy takes 30 ms, the migrations of a service take 3 s.

    :param dialect: `sqlite` or `postgresql`.
    :param folder: contains the file of SQLite. An existing file is used as it is.
    :param prepare: creates the tables of the database at a URL, in another process.
    """
    Uses.add()
    template = make_url(_template(dialect, prepare)).database or ''
    if dialect == 'sqlite':
        file = folder / 'service.sqlite'
        if not file.exists():
            _copy(Path(template), file)
        yield f'sqlite:///{file}'
    else:
        with fresh_database(name, template) as url:
            yield url


def _copy(source: Path, target: Path) -> None:
    with source.open('rb') as read, target.open('wb') as written:
        shutil.copyfileobj(read, written)
        written.flush()
        # SQLite expects what it has committed to survive a power cut.
        os.fsync(written.fileno())


@cache
def _template(dialect: str, prepare: Callable[[str], None]) -> str:
    """Return the URL of a prepared database. It is deleted when this process ends."""
    if dialect == 'sqlite':
        folder = _templates.enter_context(TemporaryDirectory())
        url = f'sqlite:///{folder}/template.sqlite'
    else:
        url = _templates.enter_context(fresh_database('template'))
    prepare(url)
    if dialect == 'sqlite':
        # Of a process that was killed, the last pages are in another file, which is not copied.
        with closing(sqlite3.connect(f'{folder}/template.sqlite')) as connection:
            connection.execute('PRAGMA wal_checkpoint(TRUNCATE)')
    return url
