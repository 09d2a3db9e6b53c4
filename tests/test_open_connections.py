"""The check that a test run leaves no connection to SQLite open."""

import sqlite3

from tests.open_connections import names_of_open


class TestNamesOfOpen:
    def test_returns_the_tests_whose_connections_are_open(self) -> None:
        opened, closed = sqlite3.connect(':memory:'), sqlite3.connect(':memory:')
        closed.close()

        found = names_of_open([(opened, 'test_a'), (closed, 'test_b')])
        opened.close()

        assert found == ['test_a']
        assert names_of_open([(opened, 'test_a')]) == []
