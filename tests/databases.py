"""Databases to test on: SQLite in memory, or one made on the server of `TEST_DATABASE_URL`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, create_engine, make_url

from project.core.database.session import db


@contextmanager
def fresh_database(name: str) -> Iterator[str]:
    """Make an empty database for a while and give its URL.

    Refuses a server whose database does not say `test`: that one might be somebody's.
    """
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
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
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
