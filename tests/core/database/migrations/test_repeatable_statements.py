"""Statements that commit immediately, in a form that can be repeated after an interruption."""

import pytest

from project.core.database.migrations.repeatable_statements import is_concurrent, make_repeatable


class Cursor:
    """A cursor of the driver, whose queries return a row, or none."""

    def __init__(self, *, finds: bool) -> None:
        """Store the result of all queries."""
        self.finds = finds
        self.executed: list[str] = []

    def execute(self, sql: str, _parameters: object = None) -> None:
        """Store a statement."""
        self.executed.append(sql)

    def fetchone(self) -> tuple[int] | None:
        """Return the result of a query."""
        return (1,) if self.finds else None


class TestMakeRepeatable:
    @pytest.mark.parametrize(
        ('sql', 'expected'),
        [
            (
                'CREATE UNIQUE INDEX CONCURRENTLY ix ON t (c)',
                'CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS ix ON t (c)',
            ),
            (
                'create index concurrently if not exists ix on t (c)',
                'create index concurrently if not exists ix on t (c)',
            ),
            ('DROP INDEX CONCURRENTLY ix', 'DROP INDEX CONCURRENTLY IF EXISTS ix'),
            ("ALTER TYPE mood ADD VALUE 'a'", "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'a'"),
            (
                'ALTER TABLE t ADD CONSTRAINT ck CHECK (c > 0) NOT VALID',
                'ALTER TABLE t ADD CONSTRAINT ck CHECK (c > 0) NOT VALID',
            ),
            ("UPDATE t SET c = 'CONCURRENTLY'", "UPDATE t SET c = 'CONCURRENTLY'"),
        ],
    )
    def test_returns_a_statement_that_succeeds_twice(self, sql, expected):
        assert make_repeatable(sql, Cursor(finds=False)) == expected

    def test_deletes_an_invalid_index(self):
        cursor = Cursor(finds=True)

        make_repeatable('CREATE INDEX CONCURRENTLY "Ix" ON t (c)', cursor)

        assert cursor.executed[1:] == ['DROP INDEX CONCURRENTLY "Ix"']

    def test_skips_an_existing_constraint(self):
        sql = 'ALTER TABLE ONLY t ADD CONSTRAINT fk FOREIGN KEY (c) REFERENCES u (id) NOT VALID'

        assert make_repeatable(sql, Cursor(finds=True)) == 'SELECT 1'


class TestIsConcurrent:
    def test_reads_the_option_and_not_the_rest_of_the_statement(self):
        assert is_concurrent(' create index concurrently ix on t (c)')
        assert not is_concurrent("CREATE INDEX ix ON t (c) WHERE c = 'CONCURRENTLY'")
