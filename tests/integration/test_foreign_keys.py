"""Foreign keys of all features: each column has an index, with which a deletion finds its rows."""

from collections.abc import Iterator

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    text,
)

from project.core.database.session import Base

# Foreign keys without an index (`table.column`), and the reason why they need none.
WITHOUT_INDEX: dict[str, str] = {}


def indexed_columns(table: Table) -> Iterator[list[str]]:
    """Yield the columns of each index, primary key and unique constraint.

    A partial index does not count, because it does not contain all rows.
    """
    for index in table.indexes:
        if all(options.get('where') is None for options in index.dialect_options.values()):
            yield [column.name for column in index.columns]
    for constraint in table.constraints:
        if isinstance(constraint, (PrimaryKeyConstraint, UniqueConstraint)):
            yield [column.name for column in constraint.columns]


def without_index(metadata: MetaData) -> set[str]:
    """Return the foreign keys whose columns are not the first columns of any index."""
    found = set()
    for table in metadata.sorted_tables:
        for key in table.foreign_key_constraints:
            columns = [column.name for column in key.columns]
            if not any(each[: len(columns)] == columns for each in indexed_columns(table)):
                found.add(f'{table.name}.{",".join(columns)}')
    return found


def tables_with(*index: Index) -> MetaData:
    """Return the tables `users` and `bills`; `bills` refers to `users` and has this index."""
    metadata = MetaData()
    Table('users', metadata, Column('id', Integer, primary_key=True))
    user_id = Column('user_id', Integer, ForeignKey('users.id'))
    bill_id = Column('id', Integer, primary_key=True)
    Table('bills', metadata, bill_id, user_id, Column('year', Integer), *index)
    return metadata


class TestForeignKeys:
    def test_have_an_index(self):
        assert without_index(Base.metadata) == set(WITHOUT_INDEX)

    def test_are_reported_without_an_index(self):
        partial = Index('a', 'user_id', postgresql_where=text('year > 1'))

        assert without_index(tables_with()) == {'bills.user_id'}
        assert without_index(tables_with(Index('a', 'year', 'user_id'))) == {'bills.user_id'}
        assert without_index(tables_with(partial)) == {'bills.user_id'}

    def test_may_share_an_index(self):
        assert without_index(tables_with(Index('a', 'user_id', 'year'))) == set()
