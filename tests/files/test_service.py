"""What may happen to files: the rules, and what holds when things happen at once."""

import os
import stat
import time
from datetime import timedelta
from io import BytesIO
from threading import Thread
from uuid import uuid4

import pytest
from sqlalchemy import event, func, select, update

from project.core.clock import now
from project.core.database.keyset_pagination import PageRequest
from project.core.database.session import atomic, db
from project.core.errors import BadRequest, NotFound
from project.files import service
from project.files.errors import (
    AlreadyPublished,
    FileChanged,
    FileNotFound,
    FileTooLarge,
    NameInvalid,
    NotPublished,
    PublishedNameInvalid,
    QuotaExceeded,
)
from project.files.models import Blob, File, FileTag, Usage
from project.users import service as users
from tests.users.factories import AdminFactory, UserFactory

from .factories import FileFactory
from .file_io import hash_of, read, store, total

QUOTA = 3_000_000
DAY = 24 * 60 * 60


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
    def test_bytes_are_on_the_disk_before_their_name_and_both_before_the_row(
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

        order = ['sync bytes', 'rename', 'INSERT INTO files ']
        assert [step for step in happened if step in order] == order
        assert happened[happened.index('rename') + 1] == 'sync folder'
        assert happened[-1] == 'commit'


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
        assert [p.name for p in (tmp_path / 'own-storage').rglob('*') if p.is_file()] == [
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


class TestListFiles:
    def test_gives_a_page(self, ada):
        FileFactory.create_batch(3, owner=ada)

        page = service.list_files(ada.id, PageRequest(limit=2))

        assert len(page.items) == 2
        assert page.next


class TestGetFile:
    def test_rejects_what_does_not_exist(self, ada):
        with pytest.raises(FileNotFound):
            service.get_file(ada.id, uuid4())


class TestUpdateFile:
    def test_of_two_who_expect_the_same_version_one_wins(self, own_app, run_concurrently):
        ada = UserFactory()
        file = store(ada.id)

        def rename(name):
            return service.update_file(ada.id, file.id, {'name': name}, expected=frozenset([1]))

        ends = run_concurrently(*(lambda n=n: rename(f'name{n}') for n in range(6)))

        refused = [end for end in ends if isinstance(end, FileChanged)]
        [winner] = [end for end in ends if not isinstance(end, Exception)]
        assert len(refused) == 5
        assert service.get_file(ada.id, file.id).name == winner.name
        assert winner.version == 2

    def test_two_changes_of_different_things_both_hold(self, ada):
        file = FileFactory(owner=ada, name='a', tags=['red'])

        service.update_file(ada.id, file.id, {'name': 'b'})
        service.update_file(ada.id, file.id, {'tags': ['blue']})

        changed = service.get_file(ada.id, file.id)
        assert (changed.name, changed.tags, changed.version) == ('b', ['blue'], 3)

    def test_what_was_rejected_changed_no_tag(self, ada):
        file = FileFactory(owner=ada, tags=['red'])

        with pytest.raises(FileChanged):
            service.update_file(ada.id, file.id, {'tags': []}, expected=frozenset([9]))

        assert service.get_file(ada.id, file.id).tags == ['red']


class TestTrashFile:
    def test_does_not_begin_anew_for_what_is_there(self, ada):
        file = FileFactory(owner=ada, expired=True)

        service.trash_file(ada.id, file.id)

        assert service.get_file(ada.id, file.id).trashed_at == file.trashed_at


class TestRestoreFile:
    def test_brings_the_bytes_back(self, ada):
        file = FileFactory(owner=ada, content=b'Hello.', trashed=True)

        service.restore_file(ada.id, file.id)

        assert read(ada.id, file.id) == b'Hello.'


class TestDeleteFile:
    def test_leaves_the_bytes_to_the_sweeper(self, ada, kept):
        file = FileFactory(owner=ada, tags=['red'])

        service.delete_file(ada.id, file.id)

        assert kept() == [file.sha256]
        assert db.session.scalar(select(func.count()).select_from(FileTag)) == 0


class TestEmptyTrash:
    def test_says_how_many_files_that_were(self, ada):
        FileFactory.create_batch(2, owner=ada, trashed=True)
        FileFactory(owner=ada)

        assert service.empty_trash(ada.id) == 2
        assert service.empty_trash(ada.id) == 0


class TestEraseFileData:
    def test_nothing_of_a_deleted_user_stays(self, ada):
        FileFactory.create_batch(2, owner=ada, tags=['red'])
        FileFactory(owner=ada, trashed=True)

        users.delete_user(ada.id)

        for table in (File, FileTag, Usage):
            assert db.session.scalar(select(func.count()).select_from(table)) == 0

    def test_bytes_that_somebody_else_has_stay(self, ada, kept):
        bob = UserFactory()
        FileFactory(owner=ada, content=b'The same.')
        FileFactory(owner=ada, content=b'Only hers.')
        theirs = FileFactory(owner=bob, content=b'The same.')

        users.delete_user(ada.id)
        list(service.collect_garbage())

        assert kept() == [hash_of(b'The same.')]
        assert read(bob.id, theirs.id) == b'The same.'

    def test_who_stays_keeps_everything(self, ada):
        admin = AdminFactory()
        file = FileFactory(owner=admin, content=b'12345')
        FileFactory(owner=ada)

        users.delete_user(ada.id)

        assert read(admin.id, file.id) == b'12345'
        assert service.get_usage(admin.id)['used'] == 5


class TestPublishFile:
    @pytest.fixture
    def source(self, tmp_path):
        source = tmp_path / 'source.txt'
        source.write_bytes(b'For everybody.')
        return source

    @pytest.mark.parametrize(
        'name', ['a.txt', 'nested/deep/a.txt', 'a b.txt', 'ä.txt', 'a..b', 'x' * 255]
    )
    def test_copies_it_into_the_folder(self, source, name):
        service.publish_file(source, name)

        assert (service.published_folder() / name).read_bytes() == b'For everybody.'
        assert source.exists()

    @pytest.mark.parametrize(
        'name',
        [
            '../a.txt', 'a/../../b.txt', '/etc/a.txt', '..', '.hidden', 'nested/.hidden',
            '.nested/a.txt', '.', './.', '', 'x' * 256, f'{"ä" * 128}/a.txt',
        ],
    )  # fmt: skip
    @pytest.mark.parametrize('before', ['a folder', 'no folder'])
    def test_rejects_names_outside_of_it_and_hidden_ones(self, source, var, name, before):
        if before == 'a folder':
            service.published_folder().mkdir()
        there = set(var.rglob('*'))

        with pytest.raises(PublishedNameInvalid, match='Not a name inside the published folder'):
            service.publish_file(source, name)

        assert set(var.rglob('*')) == there

    @pytest.mark.parametrize('name', ['a/b.txt', 'a', 'a/b.txt/c.txt', 'a/b.txt/c/d.txt'])
    def test_rejects_what_is_there_already(self, source, name):
        service.publish_file(source, 'a/b.txt')

        with pytest.raises(AlreadyPublished, match='Already published'):
            service.publish_file(source, name)

        assert [p.name for p in service.published_folder().rglob('*')] == ['a', 'b.txt']

    def test_leaves_no_draft(self, source):
        service.publish_file(source, 'a.txt')

        assert [path.name for path in service.published_folder().iterdir()] == ['a.txt']


class TestCheckPublishedName:
    @pytest.mark.parametrize('name', ['a.txt', 'nested/a.txt', 'a..b'])
    def test_lets_names_pass(self, name):
        assert service.check_published_name(name) == name

    @pytest.mark.parametrize('name', ['.a.txt.part', 'nested/.a', '.git/config', '../a'])
    def test_rejects_what_is_hidden(self, name):
        with pytest.raises(NotFound):
            service.check_published_name(name)


class TestUnpublishFile:
    def test_takes_it_out_of_the_folder(self, tmp_path):
        source = tmp_path / 'source.txt'
        source.touch()
        service.publish_file(source, 'nested/a.txt')

        service.unpublish_file('nested/a.txt', dry_run=True)
        assert (service.published_folder() / 'nested/a.txt').exists()

        service.unpublish_file('nested/a.txt')
        assert not (service.published_folder() / 'nested/a.txt').exists()

    @pytest.mark.parametrize('name', ['nothing.txt', '../outside.txt', '.hidden', 'nested', '.'])
    def test_rejects_what_was_not_published(self, var, name):
        (var / 'outside.txt').touch()
        (service.published_folder() / 'nested').mkdir(parents=True)
        (service.published_folder() / '.hidden').touch()

        with pytest.raises(NotPublished):
            service.unpublish_file(name)

        assert (var / 'outside.txt').exists()
        assert (service.published_folder() / '.hidden').exists()


class TestPublishedFolder:
    def test_is_absolute_wherever_the_process_stands(self, app, monkeypatch, tmp_path):
        monkeypatch.setitem(app.config, 'FILES_PUBLIC_FOLDER', 'relative')
        monkeypatch.chdir(tmp_path)

        assert service.published_folder() == tmp_path / 'relative'


class TestCollectGarbage:
    def test_removes_trash_past_its_time_and_its_bytes(self, ada, kept):
        expired = FileFactory(owner=ada, expired=True)
        fresh = FileFactory(owner=ada, trashed=True, content=b'12345')

        swept = [(one.kind, one.name) for one in service.collect_garbage()]

        assert swept == [('trash', str(expired.id)), ('bytes', expired.sha256)]
        assert kept() == [fresh.sha256]
        assert service.get_usage(ada.id)['used'] == 5

    def test_trash_lives_as_long_as_the_configuration_says(self, app, ada, monkeypatch):
        FileFactory(owner=ada, trashed_at=now() - timedelta(days=2))

        assert list(service.collect_garbage()) == []
        monkeypatch.setitem(app.config, 'FILES_TRASH_LIFETIME', timedelta(days=1))
        assert [one.kind for one in service.collect_garbage()] == ['trash', 'bytes']

    def test_removes_bytes_that_nobody_has(self, ada, kept):
        file = FileFactory(owner=ada)
        service.delete_file(ada.id, file.id)

        assert [one.kind for one in service.collect_garbage()] == ['bytes']

        assert kept() == []
        assert db.session.scalar(select(func.count()).select_from(Blob)) == 0

    def test_keeps_bytes_that_somebody_has_in_the_trash(self, ada, kept):
        FileFactory(owner=ada, content=b'The same.', trashed=True)
        other = FileFactory(owner=ada, content=b'The same.')
        service.delete_file(ada.id, other.id)

        assert list(service.collect_garbage()) == []
        assert kept() == [other.sha256]

    def test_removes_uploads_that_broke_off_a_day_ago(self, var):
        folder = var / 'storage' / 'incoming'
        folder.mkdir(parents=True)
        for name, age in (('old', DAY + 60), ('young', DAY - 60)):
            (folder / name).touch()
            os.utime(folder / name, (time.time() - age,) * 2)

        assert [(one.kind, one.name) for one in service.collect_garbage()] == [('incoming', 'old')]
        assert [path.name for path in folder.iterdir()] == ['young']

    def test_a_dry_run_says_the_same_and_changes_nothing(self, ada, var, kept):
        expired = FileFactory(owner=ada, expired=True)
        gone = FileFactory(owner=ada)
        service.delete_file(ada.id, gone.id)
        stale = var / 'storage' / 'incoming' / 'stale'
        stale.touch()
        os.utime(stale, (0, 0))

        swept = {(one.kind, one.name) for one in service.collect_garbage(dry_run=True)}

        # Bytes of trash become nobody's only when the trash is really gone.
        assert swept == {
            ('trash', str(expired.id)), ('bytes', gone.sha256), ('incoming', 'stale'),
        }  # fmt: skip
        assert service.get_file(ada.id, expired.id) == expired
        assert kept() == sorted([expired.sha256, gone.sha256])
        assert stale.exists()

    def test_runs_twice_and_finds_nothing_the_second_time(self, ada):
        FileFactory(owner=ada, expired=True)

        assert len(list(service.collect_garbage())) == 2
        assert list(service.collect_garbage()) == []

    @pytest.mark.parametrize('moment', [None, now() - timedelta(days=40)])
    def test_goes_on_past_one_batch(self, ada, monkeypatch, moment):
        monkeypatch.setattr('project.core.database.keyset_pagination.BATCH_ROWS', 2)
        given = {'trashed_at': moment} if moment else {'expired': True}
        FileFactory.create_batch(5, owner=ada, **given)

        swept = [one.kind for one in service.collect_garbage()]

        assert (swept.count('trash'), swept.count('bytes')) == (5, 5)

    def test_a_dry_run_goes_on_past_one_batch_too(self, ada, monkeypatch):
        monkeypatch.setattr('project.core.database.keyset_pagination.BATCH_ROWS', 2)
        FileFactory.create_batch(5, owner=ada, expired=True)
        for file in FileFactory.create_batch(5, owner=ada):
            service.delete_file(ada.id, file.id)

        swept = [one.kind for one in service.collect_garbage(dry_run=True)]

        assert (swept.count('trash'), swept.count('bytes')) == (5, 5)

    def test_a_file_that_was_restored_meanwhile_stays(self, ada):
        files = FileFactory.create_batch(2, owner=ada, expired=True)
        sweeping = service.collect_garbage()
        first = next(sweeping).name
        [restored] = [file for file in files if str(file.id) != first]

        service.restore_file(ada.id, restored.id)
        rest = [one.kind for one in sweeping]

        assert rest == ['bytes']
        assert read(ada.id, restored.id)
        assert service.get_usage(ada.id)['used'] == restored.size

    def test_a_file_that_came_back_to_the_trash_meanwhile_stays(self, ada):
        files = FileFactory.create_batch(2, owner=ada, expired=True)
        sweeping = service.collect_garbage()
        first = next(sweeping).name
        [file] = [file for file in files if str(file.id) != first]

        service.restore_file(ada.id, file.id)
        service.trash_file(ada.id, file.id)
        rest = [one.kind for one in sweeping]

        assert rest == ['bytes']
        assert service.get_file(ada.id, file.id).trashed_at is not None

    def test_an_owner_who_was_faster_is_no_failure(self, ada):
        one, other = FileFactory.create_batch(2, owner=ada, expired=True)
        sweeping = service.collect_garbage()
        first = next(sweeping).name
        rest = other if str(one.id) == first else one

        service.delete_file(ada.id, rest.id)

        assert {one.kind for one in sweeping} == {'bytes'}
        assert service.get_usage(ada.id)['used'] == 0

    def test_a_file_that_took_the_bytes_meanwhile_keeps_them(self, ada, kept):
        for content in (b'one', b'two'):
            service.delete_file(ada.id, store(ada.id, content).id)
        sweeping = service.collect_garbage()
        gone = next(sweeping).name
        content = b'two' if gone == hash_of(b'one') else b'one'

        file = store(ada.id, content)
        rest = list(sweeping)

        assert rest == []
        assert read(ada.id, file.id) == content
        assert kept() == [file.sha256]


class TestConcurrentCollection:
    @pytest.mark.slow('runs 50 races')
    def test_never_loses_bytes_that_are_uploaded_again_meanwhile(self, own_app, run_concurrently):
        ada, bob = UserFactory(), UserFactory()
        file, lost = store(ada.id, b'The same.'), []

        for _ in range(50):

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

    def test_waits_for_an_upload_of_the_bytes_that_is_not_done(self, own_app, run_concurrently):
        ada, bob = UserFactory(), UserFactory()
        service.delete_file(ada.id, store(ada.id, b'The same.').id)
        swept = []
        sweeper = Thread(
            target=lambda: swept.extend(run_concurrently(lambda: list(service.collect_garbage())))
        )

        with atomic():
            file = store(bob.id, b'The same.')
            sweeper.start()
            # Long enough to come to the lock, which it gets only when this block has ended.
            sweeper.join(0.3)
        sweeper.join()

        assert swept == [[]]
        assert read(bob.id, file.id) == b'The same.'

    def test_has_removed_the_bytes_before_others_may_store_them_anew(
        self, own_app, run_concurrently
    ):
        ada, bob = UserFactory(), UserFactory()
        service.delete_file(ada.id, store(ada.id, b'The same.').id)
        stored = []

        def upload(session):
            # The first commit that ends a transaction is the sweeper's.
            if session.info.get('atomic') and not stored:
                stored.append(None)
                stored[:] = run_concurrently(lambda: store(bob.id, b'The same.'))

        sweeping = service.collect_garbage()
        event.listen(db.session, 'after_commit', upload)
        try:
            list(sweeping)
        finally:
            event.remove(db.session, 'after_commit', upload)

        assert read(bob.id, stored[0].id) == b'The same.'

    def test_two_sweepers_do_not_stumble_over_each_other(self, own_app, run_concurrently):
        ada = UserFactory()
        for n in range(20):
            service.delete_file(ada.id, store(ada.id, str(n).encode()).id)

        ends = run_concurrently(*[lambda: list(service.collect_garbage())] * 2)

        names = [one.name for end in ends for one in end]
        assert len(names) == len(set(names)) == 20


class TestGetUsage:
    def test_costs_the_same_for_one_file_as_for_fifty(self, ada, assert_max_queries):
        FileFactory.create_batch(50, owner=ada, content=b'x')

        with assert_max_queries(2):
            usage = service.get_usage(ada.id)

        assert (usage['used'], usage['files']) == (50, 50)


class TestGetReport:
    def test_is_there_for_who_has_nothing(self, ada):
        assert service.get_report(ada.id) == f'0 files, 0 of {QUOTA} bytes\n\n'


class TestFileStats:
    def test_counts_everybodys(self):
        FileFactory(content=b'12345')
        FileFactory(content=b'123')
        FileFactory(content=b'\0')

        assert service.file_stats() == [
            {'type': 'application/octet-stream', 'files': 1, 'bytes': 1},
            {'type': 'text/plain', 'files': 2, 'bytes': 8},
        ]
