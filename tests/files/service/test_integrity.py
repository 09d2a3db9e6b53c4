"""Service: find and repair contradictions between the rows and the stored bytes."""

import os
import shutil
from io import BytesIO

import pytest
from sqlalchemy import event, select, update

from project.core.database.session import atomic, db
from project.core.storage import storage
from project.files import service
from project.files.blobs import key_of
from project.files.models import Blob, Thumbnail, Upload, Usage
from project.files.partial_uploads import PartialFile
from tests.core.images.sample_images import encoded, halves
from tests.files.file_io import hash_of, path_of, store
from tests.kit.tasks import run_pending_tasks
from tests.sql_record import IS_ON_SQLITE
from tests.users.factories import UserFactory


def faults(**options):
    """Run the integrity check; return the kind, name and repair state of each fault."""
    return [(f.kind, f.name, f.is_repaired) for f in service.check_integrity(**options) if f]


def store_orphan(content):
    """Store bytes under the key of their blob, without a row that refers to it."""
    path = path_of(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.fixture(autouse=True)
def identified_storage(app):
    """Let the storage be recognized as that of this database.

    Some tests delete all objects, and an empty storage cannot be recognized.
    """
    app.extensions['identify_storage']()


class TestCheckIntegrity:
    def test_yields_no_faults_for_intact_files(self, ada):
        file = store(ada.id, b'first')
        service.replace_content(ada.id, file.id, BytesIO(b'second'))
        service.trash_file(ada.id, store(ada.id, b'trash').id)
        service.create_upload(ada.id, length=10, name='a')

        assert faults() == []

    def test_yields_missing_bytes_without_repairing_them(self, ada):
        store(ada.id, b'lost')
        path_of(b'lost').unlink()

        assert faults(repair=True) == [('missing', hash_of(b'lost'), False)]
        assert faults() == [('missing', hash_of(b'lost'), False)]

    def test_ignores_missing_bytes_of_deleted_files(self, ada):
        service.delete_file(ada.id, store(ada.id, b'gone').id)
        path_of(b'gone').unlink()

        assert faults() == []
        assert [item.kind for item in service.collect_garbage()] == ['bytes']

    @pytest.mark.parametrize('damage', [b'lust', b'los', b'', b'lost and more'])
    def test_yields_damaged_bytes_without_repairing_them(self, ada, damage):
        store(ada.id, b'lost')
        path_of(b'lost').write_bytes(damage)

        assert faults(repair=True) == [('damaged', hash_of(b'lost'), False)]

    def test_yields_and_deletes_orphaned_bytes(self, ada):
        store_orphan(b'orphan')
        store(ada.id, b'known')

        assert faults() == [('orphan', key_of(hash_of(b'orphan')), False)]
        assert path_of(b'orphan').exists()
        assert faults(repair=True) == [('orphan', key_of(hash_of(b'orphan')), True)]
        assert not path_of(b'orphan').exists()
        assert path_of(b'known').exists()
        assert db.session.scalars(select(Blob.sha256)).all() == [hash_of(b'known')]

    def test_keeps_bytes_whose_row_is_not_committed_yet(self, own_app, run_concurrently):
        """SQLite runs one write transaction at a time: there the check runs after the commit."""
        ada, found = UserFactory(), []
        moment = 'after_commit' if IS_ON_SQLITE else 'before_commit'

        def check(session):
            if session.info.get('atomic') and path_of(b'new').exists() and not found:
                found.append(None)
                found[:] = run_concurrently(lambda: faults(repair=True))

        event.listen(db.session, moment, check)
        try:
            store(ada.id, b'new')
        finally:
            event.remove(db.session, moment, check)

        assert found == [[]]
        assert faults() == []

    @pytest.mark.parametrize(
        'wrong', [{'used': 99}, {'used': 0}, {'reserved': 7}, {'reserved': -7}]
    )
    def test_yields_and_repairs_wrong_usage(self, ada, wrong):
        store(ada.id, b'12345')
        with atomic():
            db.session.execute(update(Usage).values(**wrong))

        assert faults() == [('usage', str(ada.id), False)]
        assert faults(repair=True) == [('usage', str(ada.id), True)]
        assert faults() == []
        usage = service.get_usage(ada.id)
        assert (usage['used'], usage['reserved']) == (5, 0)

    @pytest.mark.parametrize('how', ['gone', 'short'])
    def test_yields_and_cancels_uploads_shorter_than_their_offset(self, ada, how):
        upload = service.create_upload(ada.id, length=10, name='a')
        service.append(ada.id, upload.id, BytesIO(b'12345'), offset=0)
        path = PartialFile(upload.id).path
        path.unlink() if how == 'gone' else os.truncate(path, 4)

        assert faults() == [('upload', str(upload.id), False)]
        assert faults(repair=True) == [('upload', str(upload.id), True)]
        assert faults() == []
        assert db.session.scalars(select(Upload.id)).all() == []
        assert service.get_usage(ada.id)['reserved'] == 0

    def test_deletes_the_rows_of_failed_thumbnails(self, app, ada):
        file = store(ada.id, encoded(halves(400, 200), 'JPEG').getvalue()[:400])
        service.open_thumbnail(ada.id, file.id, 64)
        run_pending_tasks(app)

        assert faults() == []
        assert db.session.scalars(select(Thumbnail.state)).all() == ['failed']
        assert faults(repair=True) == []
        assert db.session.scalars(select(Thumbnail.state)).all() == []

    def test_yields_missing_thumbnails_and_deletes_their_rows(self, app, ada, monkeypatch):
        monkeypatch.setitem(app.config, 'IMAGES_CONCURRENCY', 64)
        file = store(ada.id, encoded(halves()).getvalue())
        service.open_thumbnail(ada.id, file.id, 64)
        run_pending_tasks(app)
        shutil.rmtree(storage().root / 'thumbnails')

        assert faults() == [('thumbnail', f'{file.id}/1/64', False)]
        assert faults(repair=True) == [('thumbnail', f'{file.id}/1/64', True)]
        assert db.session.scalars(select(Thumbnail.edge)).all() == []
        assert service.open_thumbnail(ada.id, file.id, 64) is None

    def test_checks_more_than_one_batch(self, ada, monkeypatch):
        monkeypatch.setattr('project.core.database.keyset_pagination.BATCH_ROWS', 2)
        for number in range(5):
            store(ada.id, b'%d' % number)
            path_of(b'%d' % number).unlink()

        assert len(faults()) == 5
