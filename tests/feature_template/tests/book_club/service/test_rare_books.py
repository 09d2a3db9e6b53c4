"""Services of rare books."""

import json

import pytest

from project.book_club import service
from project.book_club.errors import (
    RareBookChanged,
    RareBookDealerUnknown,
    RareBookNotFound,
    RareBookShelfMarkTaken,
)
from project.core.version_preconditions import Precondition
from project.users import service as users
from tests.book_club.factories import RareBookFactory
from tests.kit.tasks import run_pending_tasks
from tests.users.factories import UserFactory

UNKNOWN_DEALER_ID = 2**31 - 1


class TestCreateRareBook:
    def test_raises_if_the_shelf_mark_is_taken(self):
        ada = UserFactory()
        taken, rare_book = RareBookFactory(owner=ada), RareBookFactory(owner=ada)
        values = service.get_rare_book(ada.id, rare_book.id)._asdict()
        service.delete_rare_book(ada.id, rare_book.id)
        for name in ('id', 'version', 'created_at', 'updated_at'):
            del values[name]

        with pytest.raises(RareBookShelfMarkTaken):
            service.create_rare_book(ada.id, **{**values, 'shelf_mark': taken.shelf_mark})


class TestUpdateRareBook:
    def test_raises_if_the_owner_has_no_such_rare_book(self):
        rare_book = RareBookFactory()

        with pytest.raises(RareBookNotFound):
            service.update_rare_book(UserFactory().id, rare_book.id, {})

    def test_raises_for_another_version(self):
        rare_book = RareBookFactory()

        with pytest.raises(RareBookChanged):
            service.update_rare_book(
                rare_book.owner_id,
                rare_book.id,
                {},
                expected=Precondition(accepted=frozenset({'9'})),
            )

    def test_raises_if_the_shelf_mark_is_taken(self):
        ada = UserFactory()
        taken, rare_book = RareBookFactory(owner=ada), RareBookFactory(owner=ada)

        with pytest.raises(RareBookShelfMarkTaken):
            service.update_rare_book(ada.id, rare_book.id, {'shelf_mark': taken.shelf_mark})

    def test_raises_if_the_dealer_id_is_unknown(self):
        rare_book = RareBookFactory()

        with pytest.raises(RareBookDealerUnknown):
            service.update_rare_book(
                rare_book.owner_id, rare_book.id, {'dealer_id': UNKNOWN_DEALER_ID}
            )


class TestDeleteRareBook:
    def test_raises_for_another_version(self):
        rare_book = RareBookFactory()

        with pytest.raises(RareBookChanged):
            service.delete_rare_book(
                rare_book.owner_id,
                rare_book.id,
                expected=Precondition(accepted=frozenset({'9'})),
            )


class TestExportRareBooks:
    def test_contains_only_rare_books_of_the_user(self):
        rare_book = RareBookFactory()
        RareBookFactory()

        files = {
            file.path: b''.join(file.chunks) for file in service.export_rows(rare_book.owner_id)
        }

        exported = json.loads(files['book_club/rare_books.json'])
        assert [row['id'] for row in exported] == [str(rare_book.id)]


class TestEraseRareBooks:
    def test_deletes_those_of_the_user(self, app):
        rare_book = RareBookFactory()
        other = RareBookFactory()

        users.delete_user(rare_book.owner_id)
        run_pending_tasks(app)

        assert service.find_rare_book(rare_book.owner_id, rare_book.id) is None
        assert service.find_rare_book(other.owner_id, other.id) is not None

    def test_deletes_those_with_the_dealer_id_of_the_user(self, app):
        rare_book = RareBookFactory()

        users.delete_user(rare_book.dealer_id)
        run_pending_tasks(app)

        assert service.find_rare_book(rare_book.owner_id, rare_book.id) is None
