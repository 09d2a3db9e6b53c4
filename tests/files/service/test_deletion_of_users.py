"""Integration: delete a user together with their files and unfinished uploads."""

from sqlalchemy import func, select

from project.core.database.session import atomic, db
from project.files import service
from project.files.models import File, FileTag, Upload, Usage
from project.files.service import files, personal_data
from project.files.service.personal_data import erase_file_data
from project.users import service as users
from tests.files.factories import FileFactory
from tests.files.file_io import hash_of, read
from tests.files.tus_requests import CONTENT, create
from tests.kit.tasks import run_pending_tasks
from tests.users.factories import AdminFactory, UserFactory


def count(table):
    """Return the number of rows in a table."""
    return db.session.scalar(select(func.count()).select_from(table))


class TestEraseFileData:
    def test_deletes_all_rows_of_the_user(self, app, ada):
        FileFactory.create_batch(2, owner=ada, tags=['red'])
        FileFactory(owner=ada, trashed=True)

        users.delete_user(ada.id)
        run_pending_tasks(app)

        for table in (File, FileTag, Usage):
            assert db.session.scalar(select(func.count()).select_from(table)) == 0

    def test_keeps_rows_and_usage_consistent_after_each_batch(self, ada, monkeypatch):
        for module in (files, personal_data):
            monkeypatch.setattr(module, 'BATCH_FILES', 2)
        FileFactory.create_batch(3, owner=ada, tags=['red'])
        for _ in range(3):
            service.create_upload(ada.id, length=10, name='a')
        seen = []

        has_more = True
        while has_more:
            with atomic():
                has_more = erase_file_data(ada.id)
            assert [issue for issue in service.check_integrity() if issue] == []
            seen.append((count(Upload), count(File), count(Usage)))

        assert seen == [(1, 3, 1), (0, 3, 1), (0, 1, 1), (0, 0, 1), (0, 0, 0)]

    def test_keeps_content_that_another_user_has_too(self, app, ada, kept):
        bob = UserFactory()
        FileFactory(owner=ada, content=b'The same.')
        FileFactory(owner=ada, content=b'Only hers.')
        foreign = FileFactory(owner=bob, content=b'The same.')

        users.delete_user(ada.id)
        run_pending_tasks(app)
        list(service.collect_garbage())

        assert kept() == [hash_of(b'The same.')]
        assert read(bob.id, foreign.id) == b'The same.'

    def test_keeps_files_of_other_users(self, app, ada):
        admin = AdminFactory()
        file = FileFactory(owner=admin, content=b'12345')
        FileFactory(owner=ada)

        users.delete_user(ada.id)
        run_pending_tasks(app)

        assert read(admin.id, file.id) == b'12345'
        assert service.get_usage(admin.id)['used'] == 5


def test_deletes_unfinished_uploads(app, as_user, ada, var):
    client = as_user(ada)
    create(client, content=CONTENT[:10])

    users.delete_user(ada.id)
    run_pending_tasks(app)

    assert db.session.scalars(select(Upload.id)).all() == []
