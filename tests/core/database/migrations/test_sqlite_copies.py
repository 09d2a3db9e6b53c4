"""Copies of SQLite tables by Alembic's batch mode."""

from collections.abc import Iterator

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Connection, Integer, create_engine

from project.core.database.migrations.sqlite_copies import parse_table, read_table

STATEMENTS = (
    """CREATE TABLE books (
        id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        title TEXT COLLATE NOCASE NOT NULL,
        pages INTEGER DEFAULT '1' NOT NULL CHECK (pages > 0),
        shelf INTEGER,
        CONSTRAINT few CHECK (pages < 9000),
        CONSTRAINT fk FOREIGN KEY(shelf) REFERENCES shelves (id) ON DELETE CASCADE
    ) STRICT""",
    'CREATE INDEX ix_lower ON books (lower(title))',
    'CREATE INDEX ix_long ON books (title) WHERE pages > 500',
    'CREATE TABLE shelves (id INTEGER NOT NULL PRIMARY KEY, count INTEGER)',
    'CREATE TABLE pages (book INTEGER REFERENCES books (id))',
    'CREATE TRIGGER counted AFTER INSERT ON books BEGIN UPDATE shelves SET count = 1; END',
    "INSERT INTO books (id, title) VALUES (3, 'a'), (9, 'b')",
    'INSERT INTO pages VALUES (3)',
    'DELETE FROM books WHERE id = 9',
)


@pytest.fixture
def connection() -> Iterator[Connection]:
    """Yield a connection to a database in which the book 9 was deleted."""
    engine = create_engine('sqlite://')
    with engine.connect() as opened:
        for statement in STATEMENTS:
            opened.exec_driver_sql(statement)
        yield opened
    engine.dispose()


@pytest.fixture
def operations(connection: Connection) -> Operations:
    """Return Alembic's operations on the database."""
    return Operations(MigrationContext.configure(connection))


def entries(connection: Connection) -> dict[str, str]:
    """Return the texts of tables, indexes and triggers; those of tables as sorted parts."""
    query = 'SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL'
    return {
        name: str(sorted(map(str, parse_table(sql).parts))) if kind == 'table' else sql
        for kind, name, sql in connection.exec_driver_sql(query)
    }


@pytest.mark.filterwarnings('ignore:Unnamed CHECK', 'ignore:Skipped unsupported reflection')
class TestCompleteCopyImpl:
    def test_keeps_all_properties(self, connection: Connection, operations: Operations) -> None:
        before = entries(connection)

        with operations.batch_alter_table('books', recreate='always'):
            pass

        after = entries(connection)
        copy, table = after.pop('books'), before.pop('books')
        assert after == before
        for word, count in (('autoincrement', 1), ('check', 2), ('nocase', 1), ('cascade', 1)):
            assert copy.count(word) == table.count(word) == count, copy
        found = read_table(connection, 'books')
        assert found is not None
        assert found.options == ['strict']

    @pytest.mark.parametrize('rows', ['some', 'none'])
    def test_never_uses_an_id_again(
        self, connection: Connection, operations: Operations, rows: str
    ) -> None:
        if rows == 'none':
            connection.exec_driver_sql('DELETE FROM books')

        for name in ('color', 'weight'):
            with operations.batch_alter_table('books', recreate='always') as batch:
                batch.add_column(Column(name, Integer))
        connection.exec_driver_sql("INSERT INTO books (title) VALUES ('c')")

        query = 'SELECT max(id) FROM books'
        assert connection.exec_driver_sql(query).scalar() == 10

    def test_ends_the_property_if_the_migration_does(
        self, connection: Connection, operations: Operations
    ) -> None:
        with operations.batch_alter_table(
            'books', recreate='always', table_kwargs={'sqlite_autoincrement': False}
        ):
            pass

        assert 'autoincrement' not in entries(connection)['books']
