"""Service: list, change, trash, restore and delete files."""

from uuid import uuid4

import pytest
from sqlalchemy import func, select

from project.core.clock import now
from project.core.database.keyset_pagination import PageRequest
from project.core.database.session import db
from project.core.version_preconditions import Precondition
from project.files import service
from project.files.errors import FileChanged, FileNotFound
from project.files.models import FileTag
from project.files.service.trash import delete_emptied_trash
from tests.files.factories import FileFactory
from tests.files.file_io import read, store
from tests.users.factories import UserFactory

FIRST_VERSION = Precondition(must_exist=True, accepted=frozenset({'1'}))
OTHER_VERSION = Precondition(must_exist=True, accepted=frozenset({'9'}))


class TestListFiles:
    def test_returns_a_page(self, ada):
        FileFactory.create_batch(3, owner=ada)

        page = service.list_files(ada.id, PageRequest(limit=2))

        assert len(page.items) == 2
        assert page.next


class TestGetFile:
    def test_raises_not_found_for_an_unknown_id(self, ada):
        with pytest.raises(FileNotFound):
            service.get_file(ada.id, uuid4())


class TestUpdateFile:
    def test_accepts_one_of_several_concurrent_changes_of_a_version(
        self, own_app, run_concurrently
    ):
        ada = UserFactory()
        file = store(ada.id)

        def rename(name):
            return service.update_file(ada.id, file.id, {'name': name}, expected=FIRST_VERSION)

        results = run_concurrently(*(lambda n=n: rename(f'name{n}') for n in range(6)))

        rejected = [result for result in results if isinstance(result, FileChanged)]
        [winner] = [result for result in results if not isinstance(result, Exception)]
        assert len(rejected) == 5
        assert service.get_file(ada.id, file.id).name == winner.name
        assert winner.version == 2

    def test_keeps_changes_of_different_fields(self, ada):
        file = FileFactory(owner=ada, name='a', tags=['red'])

        service.update_file(ada.id, file.id, {'name': 'b'})
        service.update_file(ada.id, file.id, {'tags': ['blue']})

        changed = service.get_file(ada.id, file.id)
        assert (changed.name, changed.tags, changed.version) == ('b', ['blue'], 3)

    def test_keeps_the_tags_when_the_change_is_rejected(self, ada):
        file = FileFactory(owner=ada, tags=['red'])

        with pytest.raises(FileChanged):
            service.update_file(ada.id, file.id, {'tags': []}, expected=OTHER_VERSION)

        assert service.get_file(ada.id, file.id).tags == ['red']


class TestTrashFile:
    def test_keeps_the_time_of_a_file_in_the_trash(self, ada):
        file = FileFactory(owner=ada, expired=True)

        service.trash_file(ada.id, file.id)

        assert service.get_file(ada.id, file.id).trashed_at == file.trashed_at

    def test_keeps_a_file_if_the_trash_was_emptied_in_the_future(self, ada, travel):
        """The stored time can be in the future if the clock of a process was wrong."""
        FileFactory(owner=ada)
        with travel(hours=1):
            service.empty_trash(ada.id)
        file = FileFactory(owner=ada)

        service.trash_file(ada.id, file.id)
        delete_emptied_trash(ada.id)

        assert service.get_file(ada.id, file.id).trashed_at > now()
        service.empty_trash(ada.id)
        with pytest.raises(FileNotFound):
            service.get_file(ada.id, file.id)


class TestRestoreFile:
    def test_restores_the_bytes(self, ada):
        file = FileFactory(owner=ada, content=b'Hello.', trashed=True)

        service.restore_file(ada.id, file.id)

        assert read(ada.id, file.id) == b'Hello.'


class TestDeleteFile:
    def test_leaves_the_bytes_to_garbage_collection(self, ada, kept):
        file = FileFactory(owner=ada, tags=['red'])

        service.delete_file(ada.id, file.id)

        assert kept() == [file.sha256]
        assert db.session.scalar(select(func.count()).select_from(FileTag)) == 0
