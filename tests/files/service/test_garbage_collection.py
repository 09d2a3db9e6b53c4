"""Service: delete expired trash, blobs without a row, and abandoned uploads."""

from datetime import timedelta
from threading import Thread

import pytest
from sqlalchemy import event, func, select

from project.core.clock import now
from project.core.database.session import atomic, db
from project.core.storage import storage
from project.files import service
from project.files.blobs import key_of
from project.files.models import Blob
from project.files.service.storage import garbage_collection
from project.files.service.storage.garbage_collection import collect_garbage_nightly
from tests.concurrency import RACE_ROUNDS
from tests.files.factories import FileFactory
from tests.files.file_io import hash_of, path_of, read, store
from tests.kit.tasks import run_tasks_later
from tests.object_sizes import sizes_in_storage
from tests.users.factories import UserFactory


class TestCollectGarbage:
    def test_deletes_expired_trash_and_its_bytes(self, ada, kept):
        expired = FileFactory(owner=ada, expired=True)
        fresh = FileFactory(owner=ada, trashed=True, content=b'12345')

        collected = [(one.kind, one.name) for one in service.collect_garbage()]

        assert collected == [('trash', str(expired.id)), ('bytes', key_of(expired.sha256))]
        assert kept() == [fresh.sha256]
        assert service.get_usage(ada.id)['used'] == 5

    def test_keeps_trash_for_the_configured_lifetime(self, app, ada, monkeypatch):
        FileFactory(owner=ada, trashed_at=now() - timedelta(days=2))

        assert list(service.collect_garbage()) == []
        monkeypatch.setitem(app.config, 'FILES_TRASH_LIFETIME', timedelta(days=1))
        assert [one.kind for one in service.collect_garbage()] == ['trash', 'bytes']

    def test_deletes_bytes_without_a_version(self, ada, kept):
        file = FileFactory(owner=ada)
        service.delete_file(ada.id, file.id)

        assert [one.kind for one in service.collect_garbage()] == ['bytes']

        assert kept() == []
        assert db.session.scalar(select(func.count()).select_from(Blob)) == 0

    def test_keeps_bytes_of_a_file_in_the_trash(self, ada, kept):
        FileFactory(owner=ada, content=b'The same.', trashed=True)
        other = FileFactory(owner=ada, content=b'The same.')
        service.delete_file(ada.id, other.id)

        assert list(service.collect_garbage()) == []
        assert kept() == [other.sha256]

    def test_deletes_staged_bytes_of_ended_processes(self, var):
        abandoned = var / 'storage' / 'incoming' / ('a' * 32)
        abandoned.parent.mkdir(parents=True)
        abandoned.write_bytes(b'12345')

        with storage().create_staged():
            found = [(one.kind, one.name, one.size) for one in service.collect_garbage()]

        assert found == [('incoming', abandoned.name, 5)]

    def test_yields_unknown_names_and_keeps_them(self, ada, var):
        store(ada.id)
        strange = [
            var / 'storage' / 'partial' / 'lost+found',
            var / 'storage' / 'partial' / '.nfs000000000001',
            var / 'storage' / 'incoming' / 'folder',
            var / 'storage' / 'blobs' / '.rsync.tmp',
        ]
        for path in strange:
            path.mkdir(parents=True)

        found = {one.name: one.kind for one in service.collect_garbage()}

        assert found == {
            'lost+found': 'unknown', '.nfs000000000001': 'unknown', 'folder': 'unknown',
            'blobs/.rsync.tmp': 'unknown',
        }  # fmt: skip
        assert all(path.is_dir() for path in strange)
        assert [fault.kind for fault in service.check_integrity() if fault] == ['unknown']

    def test_is_continued_by_a_task_after_its_time_limit(self, app, ada, kept, monkeypatch):
        FileFactory.create_batch(2, owner=ada, expired=True)
        with monkeypatch.context() as patch:
            patch.setattr(garbage_collection, 'NIGHTLY_BUDGET_SECONDS', -1)
            collect_garbage_nightly()
        assert len(kept()) == 2

        run_tasks_later(app)

        assert kept() == []

    def test_continues_after_the_end_of_its_budget(self, ada, var, monkeypatch):
        monkeypatch.setattr('project.core.stored_objects.collection.BATCH_OBJECTS', 2)
        for number in range(5):
            path = path_of(b'%d' % number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b'orphan')
        kept_file = store(ada.id)

        rounds = [[one.kind for one in service.collect_garbage(budget=-1)] for _ in range(3)]

        assert sum(map(len, rounds)) == 5
        assert max(map(len, rounds)) == 2
        assert set(sizes_in_storage()) == {key_of(kept_file.sha256)}

    def test_continues_after_names_that_are_not_keys(self, var, monkeypatch):
        monkeypatch.setattr('project.core.stored_objects.collection.BATCH_OBJECTS', 2)
        folder = path_of(b'0').parent
        folder.mkdir(parents=True)
        # The storage lists all of these names before the keys, which begin with hexadecimal digits.
        for name in ('!', '#', '%', '%\udc80', '+', '-' * 200):
            (folder / name).touch()
        path_of(b'0').write_bytes(b'orphan')

        for _ in range(5):
            list(service.collect_garbage(budget=-1))

        assert not path_of(b'0').exists()

    def test_yields_items_without_deleting_them_in_a_dry_run(self, ada, var, kept):
        expired = FileFactory(owner=ada, expired=True)
        gone = FileFactory(owner=ada)
        service.delete_file(ada.id, gone.id)
        stale = var / 'storage' / 'incoming' / ('a' * 32)
        stale.touch()

        collected = {(one.kind, one.name) for one in service.collect_garbage(dry_run=True)}

        # The bytes of the expired file are not listed: they are in use until the file is deleted.
        assert collected == {
            ('trash', str(expired.id)), ('bytes', key_of(gone.sha256)), ('incoming', stale.name),
        }  # fmt: skip
        assert service.get_file(ada.id, expired.id) == expired
        assert kept() == sorted([expired.sha256, gone.sha256])
        assert stale.exists()

    def test_yields_nothing_in_a_second_run(self, ada):
        FileFactory(owner=ada, expired=True)

        assert len(list(service.collect_garbage())) == 2
        assert list(service.collect_garbage()) == []

    @pytest.mark.parametrize('moment', [None, now() - timedelta(days=40)])
    def test_collects_more_than_one_batch(self, ada, monkeypatch, moment):
        monkeypatch.setattr('project.core.database.keyset_pagination.BATCH_ROWS', 2)
        given = {'trashed_at': moment} if moment else {'expired': True}
        FileFactory.create_batch(5, owner=ada, **given)

        collected = [one.kind for one in service.collect_garbage()]

        assert (collected.count('trash'), collected.count('bytes')) == (5, 5)

    def test_yields_more_than_one_batch_in_a_dry_run(self, ada, monkeypatch):
        monkeypatch.setattr('project.core.database.keyset_pagination.BATCH_ROWS', 2)
        FileFactory.create_batch(5, owner=ada, expired=True)
        for file in FileFactory.create_batch(5, owner=ada):
            service.delete_file(ada.id, file.id)

        collected = [one.kind for one in service.collect_garbage(dry_run=True)]

        assert (collected.count('trash'), collected.count('bytes')) == (5, 5)

    def test_keeps_a_file_restored_during_the_run(self, ada):
        files = FileFactory.create_batch(2, owner=ada, expired=True)
        collecting = service.collect_garbage()
        first = next(collecting).name
        [restored] = [file for file in files if str(file.id) != first]

        service.restore_file(ada.id, restored.id)
        rest = [one.kind for one in collecting]

        assert rest == ['bytes']
        assert read(ada.id, restored.id)
        assert service.get_usage(ada.id)['used'] == restored.size

    def test_keeps_a_file_restored_and_trashed_during_the_run(self, ada):
        files = FileFactory.create_batch(2, owner=ada, expired=True)
        collecting = service.collect_garbage()
        first = next(collecting).name
        [file] = [file for file in files if str(file.id) != first]

        service.restore_file(ada.id, file.id)
        service.trash_file(ada.id, file.id)
        rest = [one.kind for one in collecting]

        assert rest == ['bytes']
        assert service.get_file(ada.id, file.id).trashed_at is not None

    def test_ignores_a_file_deleted_during_the_run(self, ada):
        one, other = FileFactory.create_batch(2, owner=ada, expired=True)
        collecting = service.collect_garbage()
        first = next(collecting).name
        rest = other if str(one.id) == first else one

        service.delete_file(ada.id, rest.id)

        assert {one.kind for one in collecting} == {'bytes'}
        assert service.get_usage(ada.id)['used'] == 0

    def test_keeps_bytes_stored_again_during_the_run(self, ada, kept):
        for content in (b'one', b'two'):
            service.delete_file(ada.id, store(ada.id, content).id)
        collecting = service.collect_garbage()
        gone = next(collecting).name
        content = b'two' if gone == key_of(hash_of(b'one')) else b'one'

        file = store(ada.id, content)
        rest = list(collecting)

        assert rest == []
        assert read(ada.id, file.id) == content
        assert kept() == [file.sha256]


@pytest.mark.slow('threads repeat a race')
class TestConcurrentCollection:
    def test_never_loses_bytes_uploaded_again_during_the_run(self, own_app, run_concurrently):
        ada, bob = UserFactory(), UserFactory()
        file, lost = store(ada.id, b'The same.'), []

        for _ in range(3 * RACE_ROUNDS):

            def collect(file=file):
                service.delete_file(ada.id, file.id)
                return list(service.collect_garbage())

            _, copy = run_concurrently(collect, lambda: store(bob.id, b'The same.'))
            try:
                assert read(bob.id, copy.id) == b'The same.'
            except Exception as error:
                lost.append(error)
            service.delete_file(bob.id, copy.id)
            file = store(ada.id, b'The same.')

        assert lost == []
        assert read(ada.id, file.id) == b'The same.'

    def test_waits_for_an_uncommitted_upload_of_the_bytes(self, own_app, run_concurrently):
        ada, bob = UserFactory(), UserFactory()
        service.delete_file(ada.id, store(ada.id, b'The same.').id)
        collected = []
        collector = Thread(
            target=lambda: collected.extend(
                run_concurrently(lambda: list(service.collect_garbage()))
            )
        )

        with atomic():
            file = store(bob.id, b'The same.')
            collector.start()
            # Wait until the garbage collection reaches the lock. This block holds the lock until
            # its end.
            collector.join(0.3)
        collector.join()

        assert collected == [[]]
        assert read(bob.id, file.id) == b'The same.'

    def test_deletes_the_bytes_before_another_upload_stores_them(self, own_app, run_concurrently):
        ada, bob = UserFactory(), UserFactory()
        service.delete_file(ada.id, store(ada.id, b'The same.').id)
        stored = []

        def upload(session):
            # The first commit inside `atomic` is that of the garbage collection.
            if session.info.get('atomic') and not stored:
                stored.append(None)
                stored[:] = run_concurrently(lambda: store(bob.id, b'The same.'))

        collecting = service.collect_garbage()
        event.listen(db.session, 'after_commit', upload)
        try:
            list(collecting)
        finally:
            event.remove(db.session, 'after_commit', upload)

        assert read(bob.id, stored[0].id) == b'The same.'

    def test_deletes_each_item_once_in_concurrent_runs(self, own_app, run_concurrently):
        ada = UserFactory()
        for n in range(20):
            service.delete_file(ada.id, store(ada.id, str(n).encode()).id)

        results = run_concurrently(*[lambda: list(service.collect_garbage())] * 2)

        names = [one.name for result in results for one in result]
        assert len(names) == len(set(names)) == 20
