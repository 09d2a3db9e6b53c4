"""Commands `flask book-club rare-books`."""

import json

import pytest

from tests.book_club.factories import RareBookFactory
from tests.users.factories import UserFactory


@pytest.fixture
def run(cli):
    """Return a function that runs a command that must succeed, and returns its output."""

    def run(*arguments):
        result = cli.invoke(args=['book-club', 'rare-books', *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


class TestRareBooksList:
    def test_lists_rare_books_of_a_user(self, run):
        ada = UserFactory(username='ada')
        rare_book = RareBookFactory(owner=ada)
        RareBookFactory()

        found = json.loads(run('list', 'ada', '--json'))

        assert [row['id'] for row in found] == [str(rare_book.id)]
        assert str(rare_book.id) in run('list', 'ada')


class TestRareBooksStats:
    def test_counts_rare_books(self, run):
        RareBookFactory()

        assert json.loads(run('stats', '--json')) == {'rare_books': 1}
