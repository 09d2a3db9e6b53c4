"""Differences between the database and the models that Alembic does not find."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    Engine,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    create_engine,
    text,
)

from project.core.database.migrations.schema_differences import find_differences
from tests.databases import fresh_database

# The items of a table: they belong to one table only, so a function creates them.
Items = Callable[[], tuple[Any, ...]]


@pytest.fixture(scope='module')
def empty_database() -> Iterator[Engine]:
    """Yield the engine of an empty database."""
    with fresh_database('differences') as url:
        engine = create_engine(url)
        yield engine
        engine.dispose()


@pytest.fixture
def compare(empty_database: Engine) -> Callable[..., list[str]]:
    """Return a function that compares a table in the database with a table of the models."""

    def differences(found: Items, wanted: Items) -> list[str]:
        existing = metadata_of(found)
        with empty_database.connect() as connection:
            with connection.begin():
                existing.create_all(connection)
            try:
                return [*find_differences(connection, metadata_of(wanted))]
            finally:
                connection.rollback()
                with connection.begin():
                    existing.drop_all(connection)

    return differences


def metadata_of(items: Items) -> MetaData:
    """Return the metadata of one table, whose primary key is the column `id`."""
    metadata = MetaData()
    options = {'sqlite_autoincrement': True} if items is autoincrement else {}
    Table('books', metadata, Column('id', Integer, primary_key=True), *items(), **options)
    return metadata


def column(**options: Any) -> Items:
    """Return a function that creates a column."""
    return lambda: (Column('color', String(9), **options),)


def with_item(create: Callable[..., Any], *arguments: Any, **options: Any) -> Items:
    """Return a function that creates the column `color` and an index or a constraint."""
    return lambda: (*column()(), create(*arguments, **options))


def index(expression: str, condition: str | None = None) -> Items:
    """Return a function that creates a column and an index."""
    where = None if condition is None else text(condition)
    return lambda: (
        *column()(),
        Index('ix', text(expression), sqlite_where=where, postgresql_where=where),
    )


def reference(**options: Any) -> Items:
    """Return a function that creates a column with a foreign key."""
    return lambda: (Column('parent', ForeignKey('books.id', name='fk', **options)),)


def collated() -> tuple[Any, ...]:
    """Return a column whose texts have an order of their own."""
    kind = String(9, collation='C').with_variant(String(9, collation='NOCASE'), 'sqlite')
    return (Column('color', kind),)


def autoincrement() -> tuple[Any, ...]:
    """Return a column of a table that never uses an id again."""
    return column()()


class TestFindDifferences:
    @pytest.mark.parametrize(
        ('found', 'wanted'),
        [
            pytest.param(column(), column(server_default='red'), id='new default'),
            pytest.param(column(), column(nullable=False), id='NOT NULL'),
            pytest.param(collated, column(), id='collation'),
            pytest.param(
                with_item(CheckConstraint, 'id > 0', name='positive'), column(), id='CHECK'
            ),
            pytest.param(
                with_item(CheckConstraint, 'id > 0', name='positive'),
                with_item(CheckConstraint, 'id > 1', name='positive'),
                id='condition of a CHECK',
            ),
            pytest.param(index('color', 'id > 0'), index('color'), id='condition of an index'),
            pytest.param(index('lower(color)'), index('color'), id='expression of an index'),
            pytest.param(index('color DESC'), index('color'), id='order of an index'),
            pytest.param(reference(), reference(ondelete='CASCADE'), id='ON DELETE'),
            pytest.param(
                column(),
                with_item(PrimaryKeyConstraint, 'id', name='standard'),
                id='name of a primary key',
            ),
        ],
    )
    def test_names_both_forms(
        self, compare: Callable[..., list[str]], found: Items, wanted: Items
    ) -> None:
        assert compare(found, found) == []
        assert compare(wanted, wanted) == []

        lines = compare(found, wanted)

        assert lines
        assert all(line.startswith('books: only the ') for line in lines)

    def test_names_a_table_that_could_use_an_id_again(
        self, empty_database: Engine, compare: Callable[..., list[str]]
    ) -> None:
        lines = compare(column(), autoincrement)

        # PostgreSQL never uses an id again.
        wanted = 'books: only the models have: id integer not null primary key autoincrement'
        assert lines[:1] == ([wanted] if empty_database.dialect.name == 'sqlite' else [])
