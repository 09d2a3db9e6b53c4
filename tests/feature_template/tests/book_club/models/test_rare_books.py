"""Queries of rare books."""

from project.book_club.models import RareBook
from tests.book_club.factories import RareBookFactory
from tests.users.factories import UserFactory


class TestFindOwned:
    def test_returns_none_for_a_rare_book_of_another_user(self):
        rare_book = RareBookFactory()

        assert RareBook.find_owned(rare_book.owner_id, rare_book.id) is not None
        assert RareBook.find_owned(UserFactory().id, rare_book.id) is None


class TestCount:
    def test_counts_rare_books_of_all_users(self):
        RareBookFactory()
        RareBookFactory()

        assert RareBook.count() == 2
