"""Service: empty the trash, and delete the rows of its files in batches."""

from datetime import timedelta
from io import BytesIO

import pytest
from sqlalchemy import func, select

from project.core.clock import now
from project.core.database.keyset_pagination import PageRequest
from project.core.database.session import db
from project.files import service
from project.files.errors import FileNotFound
from project.files.models import File
from project.files.service import files, trash
from project.files.service.personal_data import export_files
from project.files.service.trash import delete_emptied_trash
from tests.files.factories import FileFactory
from tests.kit.tasks import run_pending_tasks
from tests.users.factories import UserFactory


@pytest.fixture
def small_batches(monkeypatch):
    """Make the service delete the files in batches of two."""
    for module in (files, trash):
        monkeypatch.setattr(module, 'BATCH_FILES', 2)


def trashed(owner):
    """Return the ids of the files in the trash of a user."""
    page = service.list_files(owner.id, PageRequest(limit=200, filters={'trashed': True}))
    return {file.id for file in page.items}


def rows():
    """Return the number of rows in the table of files."""
    return db.session.scalar(select(func.count()).select_from(File))


class TestEmptyTrash:
    def test_deletes_the_files_of_the_trash_at_once(self, ada):
        gone = FileFactory(owner=ada, trashed=True)
        bob, live = UserFactory(), FileFactory(owner=ada)
        theirs = FileFactory(owner=bob, trashed=True)

        service.empty_trash(ada.id)

        assert trashed(ada) == set()
        with pytest.raises(FileNotFound):
            service.get_file(ada.id, gone.id)
        assert service.get_file(ada.id, live.id)
        assert service.get_file(bob.id, theirs.id)
        assert rows() == 3

    def test_keeps_files_moved_to_the_trash_later(self, app, ada):
        FileFactory(owner=ada, trashed=True)
        later = FileFactory(owner=ada)

        service.empty_trash(ada.id)
        service.trash_file(ada.id, later.id)
        run_pending_tasks(app)

        assert trashed(ada) == {later.id}
        assert service.restore_file(ada.id, later.id).trashed_at is None

    def test_removes_the_files_from_an_export(self, ada):
        FileFactory(owner=ada, name='gone.txt', content=b'gone', trashed=True)

        service.empty_trash(ada.id)

        for part in export_files(ada.id):
            assert b'gone' not in b''.join(part.chunks)
            assert 'gone' not in part.path

    def test_does_nothing_for_a_user_without_files(self, app, ada):
        service.empty_trash(ada.id)

        assert run_pending_tasks(app) == 0


class TestDeleteEmptiedTrash:
    def test_decreases_the_usage_with_each_batch(self, ada, small_batches, monkeypatch):
        for size in range(1, 6):
            FileFactory(owner=ada, content=bytes(size), trashed=True)
        service.empty_trash(ada.id)
        seen, delete_files = [], trash.delete_files

        def record(*given):
            usage = service.get_usage(ada.id)
            sizes = db.session.scalar(select(func.sum(File.size)))
            seen.append((rows(), usage['used'] - sizes))
            return delete_files(*given)

        monkeypatch.setattr(trash, 'delete_files', record)
        delete_emptied_trash(ada.id)

        assert seen == [(5, 0), (3, 0), (1, 0)]
        usage = service.get_usage(ada.id)
        assert (usage['used'], usage['files']) == (0, 0)

    def test_deletes_files_trashed_in_the_future(self, ada):
        file = FileFactory(owner=ada, trashed_at=now() + timedelta(days=1))

        service.empty_trash(ada.id)

        with pytest.raises(FileNotFound):
            service.get_file(ada.id, file.id)
        delete_emptied_trash(ada.id)
        assert rows() == 0

    def test_keeps_files_if_the_trash_was_not_emptied(self, ada):
        FileFactory(owner=ada, trashed=True)

        delete_emptied_trash(ada.id)

        assert rows() == 1

    def test_keeps_the_bytes_of_other_files(self, ada, kept):
        file = FileFactory(owner=ada, content=b'The same.')
        FileFactory(owner=ada, content=b'The same.', trashed=True)
        service.replace_content(ada.id, file.id, BytesIO(b'Another.'))

        service.empty_trash(ada.id)
        delete_emptied_trash(ada.id)
        list(service.collect_garbage())

        assert len(kept()) == 2
