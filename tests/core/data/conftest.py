"""What the tests of the lasting things share."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Column, Integer, MetaData, String, Table, Uuid, delete

from project.core.data import database
from project.core.data.database import atomic, db
from project.core.data.guesses import Guess
from project.core.data.types import UTCDateTime, Words
from tests.databases import fresh_database


@pytest.fixture
def things(transaction: None) -> Table:
    """A table that exists for the length of a test, and that no migration knows."""
    table = Table(
        'things',
        MetaData(naming_convention=database.NAMING),
        Column('id', Integer, primary_key=True),
        Column('uuid', Uuid, nullable=False, unique=True),
        Column('name', String(50), nullable=False),
        Column('size', Integer, nullable=False),
        Column('created_at', UTCDateTime),
        Column('words', Words),
    )
    table.create(db.engines[None])
    return table


@pytest.fixture(scope='session')
def durable_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """An application on a file, or on a database of its own on PostgreSQL.

    In memory all would share one connection.
    """
    with fresh_database('durable') as url:
        app = Flask('durable', static_folder=None)
        file = tmp_path_factory.mktemp('durable') / 'db'
        app.config['SQLALCHEMY_DATABASE_URI'] = f'sqlite:///{file}' if url == 'sqlite://' else url
        database.init_app(app)
        with app.app_context():
            db.create_all()
        yield app
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def durable(durable_app: Flask) -> Iterator[Flask]:
    """Work, in the test's own context, on an empty database whose transactions really happen."""
    with durable_app.app_context():
        yield durable_app
        db.session.rollback()
        with atomic():
            db.session.execute(delete(Guess))


def in_transaction() -> bool:
    """Ask the driver, who knows what is on the wire, whether the session is in a transaction."""
    connection: Any = db.session.connection().connection.driver_connection
    if db.engine.dialect.name == 'sqlite':
        return bool(connection.in_transaction)
    return connection.info.transaction_status.name != 'IDLE'
