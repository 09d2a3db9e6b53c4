"""Databases to test on: SQLite in memory, or one made on the server of `TEST_DATABASE_URL`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from sqlalchemy import create_engine, make_url


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
