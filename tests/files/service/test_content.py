"""Service: store, read, replace and restore the bytes of a file."""

import os
import stat
from io import BytesIO
from uuid import uuid4

import pytest
from sqlalchemy import event, func, select, update

from project.core.database.keyset_pagination import PageRequest
from project.core.database.session import atomic, db
from project.core.errors import BadRequest
from project.core.version_preconditions import Precondition
from project.files import service
from project.files.errors import (
    FileChanged,
    FileNotFound,
    FileTooLarge,
    NameInvalid,
    QuotaExceeded,
)
from project.files.models import Blob, FileTag, Usage
from tests.files.factories import FileFactory
from tests.files.file_io import hash_of, read, store, total_size
from tests.users.factories import UserFactory

OTHER_CONTENT = Precondition(must_exist=True, accepted=frozenset({hash_of(b'other')}))


class TestStoreFile:
    def test_stores_bytes_name_and_tags(self, ada):
        file = store(ada.id, b'Hello.', name='a.txt', tags=['red', 'blue', 'red'])

        assert (file.name, file.size, file.type) == ('a.txt', 6, 'text/plain')
        assert file.tags == ['blue', 'red']
        assert file.sha256 == hash_of(b'Hello.')
        assert read(ada.id, file.id) == b'Hello.'

    def test_rejects_an_invalid_name_before_reading(self, ada):
        stream = BytesIO(b'Hello.')

        with pytest.raises(NameInvalid):
            service.store_file(ada.id, stream, name='x' * 256)

        assert stream.tell() == 0

    @pytest.mark.parametrize(('length', 'error'), [(1_000_001, FileTooLarge), (6, QuotaExceeded)])
    def test_rejects_too_large_a_length_before_reading(self, ada, length, error):
        service.set_quota(ada.id, 5)
        stream = BytesIO(b'Hello.')

        with pytest.raises(error):
            service.store_file(ada.id, stream, length=length)

        assert stream.tell() == 0

    def test_rejects_a_stream_shorter_than_its_length(self, ada, kept, incoming):
        with pytest.raises(BadRequest):
            service.store_file(ada.id, BytesIO(b'half'), length=8)

        assert (kept(), incoming()) == ([], [])
        assert service.get_usage(ada.id)['used'] == 0

    def test_rejects_a_stream_longer_than_its_length_and_the_quota(self, ada):
        service.set_quota(ada.id, 5)

        with pytest.raises(QuotaExceeded):
            service.store_file(ada.id, BytesIO(b'123456'), length=1)

    def test_writes_no_more_bytes_than_the_quota_allows(self, ada, incoming):
        service.set_quota(ada.id, 500_000)
        store(ada.id, b'x' * 100_000)
        on_disk = []

        class SmallReads(BytesIO):
            def read(self, size=-1):
                on_disk.extend(path.stat().st_size for path in incoming())
                return super().read(min(size, 100_000))

        with pytest.raises(QuotaExceeded):
            service.store_file(ada.id, SmallReads(b'x' * 900_000))

        assert max(on_disk) == 400_000
        assert incoming() == []

    @pytest.mark.parametrize(
        ('quota', 'error'),
        [(999_999, QuotaExceeded), (1_000_000, FileTooLarge), (1_000_001, FileTooLarge)],
    )
    def test_raises_the_error_of_the_lower_limit(self, ada, quota, error):
        service.set_quota(ada.id, quota)

        with pytest.raises(error):
            store(ada.id, b'x' * 1_000_001)

    def test_prefers_the_quota_of_the_user_to_the_default(self, ada):
        service.set_quota(ada.id, 5)

        store(ada.id, b'12345')

        with pytest.raises(QuotaExceeded):
            store(ada.id, b'6')
        assert service.get_usage(ada.id)['quota'] == 5

    def test_counts_reserved_bytes(self, ada):
        service.set_quota(ada.id, 5)
        with atomic():
            db.session.execute(update(Usage).where(Usage.user_id == ada.id).values(reserved=3))

        store(ada.id, b'12')

        with pytest.raises(QuotaExceeded):
            store(ada.id, b'3')

    def test_checks_the_quota_for_the_first_file(self, app, ada, monkeypatch):
        monkeypatch.setitem(app.config, 'FILES_QUOTA', 5)

        with pytest.raises(QuotaExceeded):
            store(ada.id, b'123456')

        usage = service.get_usage(ada.id)
        assert (usage['used'], usage['reserved']) == (0, 0)
        assert store(ada.id, b'12345').size == 5

    def test_leaves_nothing_when_the_quota_is_exceeded(self, ada, kept, incoming):
        service.set_quota(ada.id, 5)
        before = kept()

        with pytest.raises(QuotaExceeded):
            store(ada.id, b'123456', name='a', tags=['red'])

        assert (kept(), incoming()) == (before, [])
        assert db.session.scalar(select(Blob).where(Blob.sha256 == hash_of(b'123456'))) is None
        assert db.session.scalar(select(func.count()).select_from(FileTag)) == 0

    def test_restores_lost_bytes(self, ada, kept, var):
        lost = store(ada.id, b'Hello.').sha256
        (var / 'storage' / 'blobs' / lost[:2] / lost[2:4] / lost).unlink()

        file = store(ada.id, b'Hello.')

        assert read(ada.id, file.id) == b'Hello.'


class TestStoreFileDurably:
    def test_syncs_the_bytes_before_the_row_and_renames_them_before_the_commit(
        self, own_app, monkeypatch, queries
    ):
        ada = UserFactory()
        happened = []
        really = {name: getattr(os, name) for name in ('fsync', 'rename')}

        def fsync(descriptor):
            folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
            happened.append('sync folder' if folder else 'sync bytes')
            return really['fsync'](descriptor)

        def rename(source, target, **given):
            happened.append('rename')
            return really['rename'](source, target, **given)

        store(ada.id, b'The first creates the folders.')
        monkeypatch.setattr(os, 'fsync', fsync)
        monkeypatch.setattr(os, 'rename', rename)
        event.listen(db.engine, 'commit', lambda _: happened.append('commit'))

        with queries(before=lambda statement: happened.append(statement[:18])):
            store(ada.id, b'Hello.')

        order = ['sync bytes', 'INSERT INTO files ', 'rename']
        assert [step for step in happened if step in order] == order
        # After the rename no check follows that could still reject the upload.
        after_rename = [step for step in happened[happened.index('rename') :] if 'lock' not in step]
        assert after_rename[:3] == ['rename', 'sync folder', 'commit']


class TestStoreFileConcurrently:
    def test_fills_the_quota_exactly(self, own_app, run_concurrently):
        ada = UserFactory()
        size = 1000
        service.set_quota(ada.id, 20 * size)

        def upload(worker):
            stored = 0
            for n in range(5):
                try:
                    store(ada.id, f'{worker}.{n}'.ljust(size).encode())
                    stored += 1
                except QuotaExceeded:
                    continue
            return stored

        stored = run_concurrently(*(lambda worker=worker: upload(worker) for worker in range(8)))

        assert sum(stored) == 20
        assert total_size(ada.id) == service.get_usage(ada.id)['used'] == 20 * size

    def test_creates_one_quota_row_for_concurrent_first_uploads(
        self, own_app, run_concurrently, monkeypatch
    ):
        monkeypatch.setitem(own_app.config, 'FILES_QUOTA', 4000)
        ada = UserFactory()

        results = run_concurrently(
            *(lambda n=n: store(ada.id, str(n).ljust(1000).encode()).size for n in range(8))
        )

        assert results.count(1000) == 4
        assert sum(isinstance(result, QuotaExceeded) for result in results) == 4
        assert total_size(ada.id) == service.get_usage(ada.id)['used'] == 4000

    def test_stores_equal_bytes_once(self, own_app, run_concurrently, tmp_path):
        people = UserFactory.create_batch(8)

        files = run_concurrently(*(lambda one=one: store(one.id, b'The same.') for one in people))

        assert len({file.id for file in files}) == 8
        assert [p.name for p in (tmp_path / 'own-storage' / 'blobs').rglob('*') if p.is_file()] == [
            hash_of(b'The same.')
        ]

    def test_counts_every_deletion_once(self, own_app, run_concurrently):
        ada = UserFactory()
        file = store(ada.id, b'12345')
        store(ada.id, b'123')

        results = run_concurrently(*[lambda: service.delete_file(ada.id, file.id)] * 8)

        assert sum(result is None for result in results) == 1
        assert sum(isinstance(result, FileNotFound) for result in results) == 7
        assert total_size(ada.id) == service.get_usage(ada.id)['used'] == 3


class TestOpenContent:
    def test_raises_not_found_for_a_file_of_another_user(self, ada):
        file = FileFactory()

        with pytest.raises(FileNotFound):
            service.open_content(ada.id, file.id)


class TestReplaceContent:
    def test_keeps_the_old_content_as_a_version(self, ada):
        file = store(ada.id, b'first', name='a.txt')

        changed = service.replace_content(ada.id, file.id, BytesIO(b'GIF89a' + bytes(13)))

        assert (changed.name, changed.version) == ('a.txt', 2)
        assert changed.type != file.type
        versions = service.list_versions(ada.id, file.id, PageRequest()).items
        assert [(v.number, v.size) for v in versions] == [(2, 19), (1, 5)]
        _, version, stream = service.open_version(ada.id, file.id, 1)
        with stream:
            assert (version.type, stream.read()) == ('text/plain', b'first')
        assert service.get_usage(ada.id)['used'] == 24

    def test_deletes_the_oldest_version_and_its_usage(self, app, ada, monkeypatch):
        monkeypatch.setitem(app.config, 'FILES_VERSIONS_KEPT', 2)
        file = store(ada.id, b'1')

        for content in (b'22', b'333', b'4444'):
            service.replace_content(ada.id, file.id, BytesIO(content))

        versions = service.list_versions(ada.id, file.id, PageRequest()).items
        assert [v.number for v in versions] == [4, 3]
        assert service.get_usage(ada.id)['used'] == 7

    def test_raises_not_found_before_reading(self, ada):
        file = store(ada.id, b'1')
        service.trash_file(ada.id, file.id)
        stream = BytesIO(b'2')

        for owner_id, file_id in ((ada.id, file.id), (ada.id, uuid4())):
            with pytest.raises(FileNotFound):
                service.replace_content(owner_id, file_id, stream)
        assert stream.tell() == 0

    def test_stores_nothing_for_an_unexpected_content(self, ada):
        file = store(ada.id, b'1')

        with pytest.raises(FileChanged):
            service.replace_content(ada.id, file.id, BytesIO(b'22'), expected=OTHER_CONTENT)

        usage = service.get_usage(ada.id)
        assert (usage['used'], usage['reserved']) == (1, 0)

    def test_adds_one_version_for_each_concurrent_call(self, own_app, run_concurrently):
        ada = UserFactory()
        file = store(ada.id, b'0')

        run_concurrently(*(
            lambda n=n: service.replace_content(ada.id, file.id, BytesIO(b'x' * n))
            for n in range(1, 6)
        ))  # fmt: skip

        versions = service.list_versions(ada.id, file.id, PageRequest()).items
        assert [v.number for v in versions] == [6, 5, 4, 3, 2, 1]
        newest = service.get_file(ada.id, file.id)
        assert (newest.current_version, newest.size) == (versions[0].number, versions[0].size)
        assert service.get_usage(ada.id)['used'] == 16


class TestRestoreVersion:
    def test_adds_the_old_bytes_as_the_newest_version(self, ada, kept):
        file = store(ada.id, b'first')
        service.replace_content(ada.id, file.id, BytesIO(b'second'))

        restored = service.restore_version(ada.id, file.id, 1)

        assert (restored.sha256, restored.current_version) == (file.sha256, 3)
        assert len(kept()) == 2
        assert service.get_usage(ada.id)['used'] == 16

    def test_rejects_a_version_that_exceeds_the_quota(self, ada):
        service.set_quota(ada.id, 10)
        file = store(ada.id, b'12345')
        service.replace_content(ada.id, file.id, BytesIO(b'1234'))

        with pytest.raises(QuotaExceeded):
            service.restore_version(ada.id, file.id, 1)

        assert service.get_file(ada.id, file.id).current_version == 2

    def test_raises_not_found_for_an_unknown_version(self, ada):
        with pytest.raises(FileNotFound):
            service.restore_version(ada.id, store(ada.id, b'1').id, 2)
