"""Fixtures of the tests of the database."""

from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, Uuid

from project.core.database import session
from project.core.database.session import db
from project.core.database.types import UTCDateTime, WordList


@pytest.fixture
def things(isolation: None) -> Table:
    """Create the table `things`, which exists only during the test; no migration creates it."""
    table = Table(
        'things',
        MetaData(naming_convention=session.NAMING_CONVENTION),
        Column('id', Integer, primary_key=True),
        Column('uuid', Uuid, nullable=False, unique=True),
        Column('name', String(50), nullable=False),
        Column('size', Integer, nullable=False),
        Column('created_at', UTCDateTime),
        Column('words', WordList),
    )
    table.create(db.engines[None])
    return table


def in_transaction() -> bool:
    """Return whether the driver's connection of the session is in a transaction."""
    connection: Any = db.session.connection().connection.driver_connection
    if db.engine.dialect.name == 'sqlite':
        return bool(connection.in_transaction)
    return connection.info.transaction_status.name != 'IDLE'
