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
from tests.files.file_io import hash_of, read, store, total
from tests.users.factories import UserFactory


class TestStoreFile:
    def test_keeps_bytes_name_and_tags(self, ada):
        file = store(ada.id, b'Hello.', name='a.txt', tags=['red', 'blue', 'red'])

        assert (file.name, file.size, file.type) == ('a.txt', 6, 'text/plain')
        assert file.tags == ['blue', 'red']
        assert file.sha256 == hash_of(b'Hello.')
        assert read(ada.id, file.id) == b'Hello.'

    def test_rejects_an_invalid_name_before_it_reads(self, ada):
        stream = BytesIO(b'Hello.')

        with pytest.raises(NameInvalid):
            service.store_file(ada.id, stream, name='x' * 256)

        assert stream.tell() == 0

    @pytest.mark.parametrize(('length', 'refusal'), [(1_000_001, FileTooLarge), (6, QuotaExceeded)])
    def test_rejects_what_cannot_fit_before_it_reads(self, ada, length, refusal):
        service.set_quota(ada.id, 5)
        stream = BytesIO(b'Hello.')

        with pytest.raises(refusal):
            service.store_file(ada.id, stream, length=length)

        assert stream.tell() == 0

    def test_rejects_what_ended_before_its_announced_length(self, ada, kept, incoming):
        with pytest.raises(BadRequest):
            service.store_file(ada.id, BytesIO(b'half'), length=8)

        assert (kept(), incoming()) == ([], [])
        assert service.get_usage(ada.id)['used'] == 0

    def test_does_not_believe_an_announced_length(self, ada):
        service.set_quota(ada.id, 5)

        with pytest.raises(QuotaExceeded):
            service.store_file(ada.id, BytesIO(b'123456'), length=1)

    def test_writes_no_more_than_the_quota_allows(self, ada, incoming):
        service.set_quota(ada.id, 500_000)
        store(ada.id, b'x' * 100_000)
        on_disk = []

        class Drops(BytesIO):
            def read(self, size=-1):
                on_disk.extend(path.stat().st_size for path in incoming())
                return super().read(min(size, 100_000))

        with pytest.raises(QuotaExceeded):
            service.store_file(ada.id, Drops(b'x' * 900_000))

        assert max(on_disk) == 400_000
        assert incoming() == []

    @pytest.mark.parametrize(
        ('quota', 'refusal'),
        [(999_999, QuotaExceeded), (1_000_000, FileTooLarge), (1_000_001, FileTooLarge)],
    )
    def test_says_which_of_two_limits_it_was(self, ada, quota, refusal):
        service.set_quota(ada.id, quota)

        with pytest.raises(refusal):
            store(ada.id, b'x' * 1_000_001)

    def test_a_quota_of_ones_own_counts_instead_of_everybodys(self, ada):
        service.set_quota(ada.id, 5)

        store(ada.id, b'12345')

        with pytest.raises(QuotaExceeded):
            store(ada.id, b'6')
        assert service.get_usage(ada.id)['quota'] == 5

    def test_reserved_bytes_count_too(self, ada):
        service.set_quota(ada.id, 5)
        with atomic():
            db.session.execute(update(Usage).where(Usage.user_id == ada.id).values(reserved=3))

        store(ada.id, b'12')

        with pytest.raises(QuotaExceeded):
            store(ada.id, b'3')

    def test_the_first_file_of_all_is_within_the_quota_or_rejected(self, app, ada, monkeypatch):
        monkeypatch.setitem(app.config, 'FILES_QUOTA', 5)

        with pytest.raises(QuotaExceeded):
            store(ada.id, b'123456')

        usage = service.get_usage(ada.id)
        assert (usage['used'], usage['reserved']) == (0, 0)
        assert store(ada.id, b'12345').size == 5

    def test_what_the_quota_rejected_leaves_nothing(self, ada, kept, incoming):
        service.set_quota(ada.id, 5)
        before = kept()

        with pytest.raises(QuotaExceeded):
            store(ada.id, b'123456', name='a', tags=['red'])

        assert (kept(), incoming()) == (before, [])
        assert db.session.scalar(select(Blob).where(Blob.sha256 == hash_of(b'123456'))) is None
        assert db.session.scalar(select(func.count()).select_from(FileTag)) == 0

    def test_puts_back_bytes_that_were_lost(self, ada, kept, var):
        lost = store(ada.id, b'Hello.').sha256
        (var / 'storage' / 'blobs' / lost[:2] / lost[2:4] / lost).unlink()

        file = store(ada.id, b'Hello.')

        assert read(ada.id, file.id) == b'Hello.'


class TestStoreFileDurably:
    def test_bytes_are_on_the_disk_before_their_row_and_have_their_key_before_its_commit(
        self, own_app, monkeypatch
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

        store(ada.id, b'The first makes the folders.')
        monkeypatch.setattr(os, 'fsync', fsync)
        monkeypatch.setattr(os, 'rename', rename)
        event.listen(db.engine, 'commit', lambda _: happened.append('commit'))
        event.listen(
            db.engine, 'before_cursor_execute', lambda *given: happened.append(given[2][:18])
        )

        store(ada.id, b'Hello.')

        order = ['sync bytes', 'INSERT INTO files ', 'rename']
        assert [step for step in happened if step in order] == order
        # Whatever rejects the upload does so before its bytes have a key.
        after_rename = [step for step in happened[happened.index('rename') :] if 'lock' not in step]
        assert after_rename[:3] == ['rename', 'sync folder', 'commit']


class TestStoreFileAtOnce:
    def test_fills_the_quota_to_the_byte_and_no_further(self, own_app, run_concurrently):
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
        assert total(ada.id) == service.get_usage(ada.id)['used'] == 20 * size

    def test_makes_one_account_for_who_had_none(self, own_app, run_concurrently, monkeypatch):
        monkeypatch.setitem(own_app.config, 'FILES_QUOTA', 4000)
        ada = UserFactory()

        ends = run_concurrently(
            *(lambda n=n: store(ada.id, str(n).ljust(1000).encode()).size for n in range(8))
        )

        assert ends.count(1000) == 4
        assert sum(isinstance(end, QuotaExceeded) for end in ends) == 4
        assert total(ada.id) == service.get_usage(ada.id)['used'] == 4000

    def test_stores_the_same_bytes_once(self, own_app, run_concurrently, tmp_path):
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

        ends = run_concurrently(*[lambda: service.delete_file(ada.id, file.id)] * 8)

        assert sum(end is None for end in ends) == 1
        assert sum(isinstance(end, FileNotFound) for end in ends) == 7
        assert total(ada.id) == service.get_usage(ada.id)['used'] == 3


class TestOpenContent:
    def test_finds_nothing_of_somebody_elses(self, ada):
        file = FileFactory()

        with pytest.raises(FileNotFound):
            service.open_content(ada.id, file.id)


class TestReplaceContent:
    def test_keeps_what_was_there_as_a_version(self, ada):
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

    def test_deletes_the_oldest_and_releases_its_bytes(self, app, ada, monkeypatch):
        monkeypatch.setitem(app.config, 'FILES_VERSIONS_KEPT', 2)
        file = store(ada.id, b'1')

        for content in (b'22', b'333', b'4444'):
            service.replace_content(ada.id, file.id, BytesIO(content))

        versions = service.list_versions(ada.id, file.id, PageRequest()).items
        assert [v.number for v in versions] == [4, 3]
        assert service.get_usage(ada.id)['used'] == 7

    def test_rejects_what_is_not_there_before_it_reads(self, ada):
        file = store(ada.id, b'1')
        service.trash_file(ada.id, file.id)
        stream = BytesIO(b'2')

        for owner_id, file_id in ((ada.id, file.id), (ada.id, uuid4())):
            with pytest.raises(FileNotFound):
                service.replace_content(owner_id, file_id, stream)
        assert stream.tell() == 0

    def test_rejects_another_version_and_keeps_nothing_of_it(self, ada):
        file = store(ada.id, b'1')

        with pytest.raises(FileChanged):
            service.replace_content(
                ada.id, file.id, BytesIO(b'22'), expected=frozenset([file.version + 1])
            )

        usage = service.get_usage(ada.id)
        assert (usage['used'], usage['reserved']) == (1, 0)

    def test_of_many_at_once_each_is_a_version(self, own_app, run_concurrently):
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
    def test_makes_the_old_bytes_the_newest(self, ada, kept):
        file = store(ada.id, b'first')
        service.replace_content(ada.id, file.id, BytesIO(b'second'))

        restored = service.restore_version(ada.id, file.id, 1)

        assert (restored.sha256, restored.current_version) == (file.sha256, 3)
        assert len(kept()) == 2
        assert service.get_usage(ada.id)['used'] == 16

    def test_rejects_what_exceeds_the_quota(self, ada):
        service.set_quota(ada.id, 10)
        file = store(ada.id, b'12345')
        service.replace_content(ada.id, file.id, BytesIO(b'1234'))

        with pytest.raises(QuotaExceeded):
            service.restore_version(ada.id, file.id, 1)

        assert service.get_file(ada.id, file.id).current_version == 2

    def test_rejects_a_version_that_is_not_there(self, ada):
        with pytest.raises(FileNotFound):
            service.restore_version(ada.id, store(ada.id, b'1').id, 2)
