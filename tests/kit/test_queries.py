"""The limit of SQL statements of the kit: the fixture `queries`."""

import pytest
from sqlalchemy import literal_column, select

from project.core.database.session import atomic, execute_select
from project.users.models import User


def run(*numbers):
    """Execute a statement for each number, such as `SELECT 1`."""
    for number in numbers:
        execute_select(select(literal_column(str(number))))


class TestQueries:
    def test_allows_the_maximum_and_yields_the_statements(self, queries):
        with queries(max=2) as statements:
            run(1, 2)

        assert statements == ['SELECT 1', 'SELECT 2']

    def test_fails_and_names_the_statements_if_there_are_more(self, queries):
        with pytest.raises(AssertionError) as raised, queries(max=1):
            run(1, 2)

        assert str(raised.value) == '2 statements, but at most 1:\n1. SELECT 1\n2. SELECT 2'

    def test_only_records_without_a_maximum(self, queries):
        with queries() as statements:
            run(1, 2)

        assert len(statements) == 2

    def test_does_not_count_savepoints(self, queries):
        with queries(max=0), atomic():
            pass

    def test_counts_until_the_end_of_the_block(self, queries):
        with queries(max=0) as statements:
            pass
        User.find(1)

        assert statements == []

    def test_keeps_an_error_of_the_block(self, queries):
        with pytest.raises(ZeroDivisionError), queries(max=0):
            run(1, 1 / 0)

    def test_lets_a_statement_fail(self, queries):
        def fail(statement):
            if statement == 'SELECT 2':
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError), queries(before=fail):
            run(1, 2)

    def test_raises_for_a_negative_maximum(self, queries):
        with pytest.raises(ValueError, match='max=-1'), queries(max=-1):
            pass
