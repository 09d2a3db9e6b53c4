"""Statements of migrations, recorded without a database."""

import pytest

from project.core.database.migrations.recording import record


@pytest.fixture
def recorded(migrations):
    """Return a function that records a migration of `books` with this body."""

    def of(body):
        revision = migrations.add(body)
        return record(migrations.script().get_revision(revision))

    return of


class TestRecord:
    def test_returns_the_sql_of_postgresql(self, recorded):
        body = "op.add_column('books', sa.Column('n', sa.LargeBinary()))"

        assert [s.sql for s in recorded(body).statements] == [
            'ALTER TABLE books ADD COLUMN n BYTEA'
        ]

    def test_returns_the_transactions(self, recorded):
        sql = "op.execute('SELECT 1')"
        block = f'with op.get_context().autocommit_block():\n    {sql}'

        numbers = [s.transaction for s in recorded(f'{sql}\n{block}\n{sql}').statements]

        assert numbers[1] is None
        assert numbers[0] != numbers[2]
        assert None not in (numbers[0], numbers[2])

    def test_returns_no_rows_for_queries(self, recorded):
        body = (
            'bind = op.get_bind()\n'
            "assert bind.execute(sa.text('SELECT id FROM books')).all() == []\n"
            "assert bind.scalar(sa.text('SELECT max(id) FROM books')) is None\n"
            "assert bind.scalar(sa.text('SELECT count(*) FROM books')) == 0\n"
            "assert not sa.inspect(bind).has_table('books')"
        )

        assert recorded(body).error is None

    def test_returns_the_first_line_of_an_error(self, recorded):
        assert recorded("raise KeyError('x')").error == "'x'"
