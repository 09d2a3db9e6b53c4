"""Rows for all tables, with which migrations are tried."""

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from tests.databases import fresh_database
from tests.table_rows import NoRow, add_rows


@pytest.fixture
def connection():
    """Yield a connection to an empty database."""
    with fresh_database('rows') as url:
        engine = sa.create_engine(url)
        with engine.connect() as connection:
            yield connection
        engine.dispose()


def create(connection, *parts):
    """Create the table `things` with these columns and constraints."""
    key = sa.Column('id', sa.Integer, primary_key=True)
    table = sa.Table('things', sa.MetaData(), key, *parts)
    table.create(connection)
    return table


def row_of(connection, table='things'):
    """Add rows to all tables, and return the row of one table."""
    add_rows(connection)
    [row] = connection.execute(sa.text(f'SELECT * FROM {table}')).mappings()
    return dict(row)


TYPES = [
    sa.String(1), sa.String(254), sa.Text, sa.Integer, sa.BigInteger, sa.Numeric(3, 2), sa.Float,
    sa.Boolean, sa.Date, sa.Time, sa.DateTime(timezone=True), sa.LargeBinary, sa.Uuid, sa.JSON,
    sa.Enum('open', 'paid', name='state', create_constraint=True),
]  # fmt: skip
ONLY_POSTGRESQL = [postgresql.JSONB, sa.Interval, sa.ARRAY(sa.Text), postgresql.INET]


class TestAddRows:
    @pytest.mark.parametrize('kind', TYPES, ids=str)
    def test_adds_a_row_with_a_required_column_of_any_type(self, connection, kind):
        create(connection, sa.Column('value', kind, nullable=False))

        assert row_of(connection)['value'] is not None

    @pytest.mark.parametrize('kind', ONLY_POSTGRESQL, ids=str)
    def test_adds_a_row_with_a_type_of_postgresql(self, connection, kind):
        if connection.dialect.name != 'postgresql':
            kind = sa.Text
        create(connection, sa.Column('value', kind, nullable=False))

        assert row_of(connection)['value'] is not None

    @pytest.mark.parametrize('check', ["value IN ('red', 'blue')", "value = 'it''s'"])
    def test_chooses_a_value_that_a_check_allows(self, connection, check):
        column = sa.Column('value', sa.String(20), nullable=False)
        create(connection, column, sa.CheckConstraint(check))

        assert row_of(connection)['value'] in ('red', "it's")

    def test_tries_other_values_after_an_error(self, connection):
        column = sa.Column('value', sa.Integer, nullable=False)
        create(connection, column, sa.CheckConstraint('value > 7'))

        assert row_of(connection)['value'] == 8

    def test_references_the_rows_of_other_tables_and_its_own(self, connection):
        parent = sa.Column('parent_id', sa.ForeignKey('things.id'), nullable=False)
        table = create(
            connection, sa.Column('code', sa.String(8)), sa.UniqueConstraint('id', 'code'), parent
        )
        child = sa.Table(
            'children', table.metadata,
            sa.Column('id', sa.Integer, primary_key=True),
            sa.Column('thing_id', sa.Integer, nullable=False),
            sa.Column('code', sa.String(8), nullable=False),
            sa.ForeignKeyConstraint(['thing_id', 'code'], ['things.id', 'things.code']),
        )  # fmt: skip
        child.create(connection)

        thing, own_child = row_of(connection), row_of(connection, 'children')

        assert thing['parent_id'] == thing['id']
        assert own_child['code'] == thing['code']

    def test_keeps_existing_rows(self, connection):
        table = create(connection)
        connection.execute(table.insert().values(id=70))

        assert row_of(connection) == {'id': 70}

    def test_raises_if_no_value_is_allowed(self, connection):
        create(connection, sa.Column('n', sa.Integer), sa.CheckConstraint('n > 10 AND n < 5'))

        with pytest.raises(NoRow, match='things: '):
            add_rows(connection)
