"""Databases for tests: SQLite, or new databases on the PostgreSQL server of `TEST_DATABASE_URL`."""

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

from flask import Flask
from sqlalchemy import Connection, Engine, create_engine, make_url

from project.core.database.session import db


class Uses:
    """The number of database uses in this process.

    Counts statements, and databases that are created for other processes.
    """

    count = 0
    # Fixtures that several tests share and that use a database. All tests that request them depend
    # on the database.
    fixtures: set[str] = set()

    @classmethod
    def add(cls) -> None:
        """Count one use of a database."""
        cls.count += 1


_templates = ExitStack()
atexit.register(_templates.close)


@contextmanager
def fresh_database(name: str, template: str = 'template1') -> Iterator[str]:
    """Create an empty database, yield its URL, and delete the database at the end.

    :param template: a database on the same server to copy.

    :raises SystemExit: if the name of the configured database does not contain `test`.
    """
    Uses.add()
    server = os.environ.get('TEST_DATABASE_URL')
    if not server:
        yield 'sqlite://'
        return
    url = make_url(server)
    if 'test' not in (url.database or ''):
        raise SystemExit('The database name in TEST_DATABASE_URL must contain "test"')
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


@contextmanager
def closing_connections(app: Flask) -> Iterator[Flask]:
    """Yield an application, and close its connections to the database at the end.

    All applications of the tests are created in this block: `tests/open_connections.py` fails a run
    that leaves connections open.
    """
    try:
        yield app
    finally:
        with app.app_context():
            db.engine.dispose()


def create_tables() -> None:
    """Create the tables of the models in the empty database of the current application.

    SQLite gets a copy of a database with these tables, which takes a tenth of the time.
    """
    url = db.engine.url
    if url.get_backend_name() != 'sqlite':
        db.create_all()
        return
    template = _sqlite_template(tuple(db.metadata.tables))
    if url.database:
        # Connections may be open to an existing file: overwriting it would damage the database.
        assert not Path(url.database).exists()
        Path(url.database).write_bytes(template)
    else:
        with db.engine.connect() as connection:
            _driver_connection(connection).deserialize(template)


def send_savepoints_as_text(engine: Engine) -> None:
    """Send the SQL of savepoints to the database without SQLAlchemy's compiler.

    In tests each transaction is a savepoint. SQLAlchemy compiles each of them again, which took a
    tenth of the CPU time.
    """
    for name, sql in (
        ('do_savepoint', 'SAVEPOINT'),
        ('do_release_savepoint', 'RELEASE SAVEPOINT'),
        ('do_rollback_to_savepoint', 'ROLLBACK TO SAVEPOINT'),
    ):

        def send(connection: Connection, savepoint: str, sql: str = sql) -> None:
            connection.exec_driver_sql(f'{sql} {savepoint}')

        setattr(engine.dialect, name, send)


def _driver_connection(connection: Connection) -> Any:
    return connection.connection.driver_connection


@cache
def _sqlite_template(tables: tuple[str, ...]) -> bytes:
    """Return the bytes of an SQLite database with the tables of all models.

    If `TEST_SQLITE_TEMPLATE` names a database file, its bytes are returned instead: so
    `python -m tests.previous_release` runs this suite with the tables of a later version.

    :param tables: the names of the tables, which serve only as the key of the cache.
    """
    if path := os.environ.get('TEST_SQLITE_TEMPLATE'):
        return Path(path).read_bytes()
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
    """Create a database with tables, yield its URL, and delete it at the end.

    The database is a copy of a template: a copy takes 30 ms, running all migrations 3 s.

    :param dialect: `sqlite` or `postgresql`.
    :param folder: the folder of the SQLite file. An existing file is used unchanged.
    :param prepare: creates the tables of the template in the database at this URL.
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
        # Committed data in a SQLite file must survive a power cut.
        os.fsync(written.fileno())


@cache
def _template(dialect: str, prepare: Callable[[str], None]) -> str:
    """Return the URL of a database to copy. It is deleted when this process ends."""
    if dialect == 'sqlite':
        folder = _templates.enter_context(TemporaryDirectory())
        url = f'sqlite:///{folder}/template.sqlite'
    else:
        url = _templates.enter_context(fresh_database('template'))
    prepare(url)
    if dialect == 'sqlite':
        # Write the WAL to the file: only the file is copied, and a killed process leaves pages in
        # the WAL.
        with closing(sqlite3.connect(f'{folder}/template.sqlite')) as connection:
            connection.execute('PRAGMA wal_checkpoint(TRUNCATE)')
    return url
