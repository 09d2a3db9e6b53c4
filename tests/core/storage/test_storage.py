"""Storage of objects on the local disk, each under a key."""

import errno
import hashlib
import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from project.core.errors import InsufficientStorage, ServiceUnavailable
from project.core.storage import DiskReserve, LocalStorage, init_app, storage
from tests.kit.storage import put, read

EMPTY = hashlib.sha256(b'').hexdigest()


@pytest.fixture
def local(tmp_path):
    """Return an empty local storage."""
    return LocalStorage(tmp_path / 'blobs')


def incoming(local):
    return list((local.root / 'incoming').iterdir())


@pytest.fixture
def calls(monkeypatch):
    """Record all calls of fsync and rename; return the list, in order."""
    seen = []
    fsync, rename = os.fsync, Path.rename

    def record_fsync(descriptor):
        seen.append(('fsync', Path(f'/proc/self/fd/{descriptor}').readlink().name))
        return fsync(descriptor)

    def record_rename(path, target):
        seen.append(('rename', path.name, Path(target).name))
        return rename(path, target)

    monkeypatch.setattr(os, 'fsync', record_fsync)
    monkeypatch.setattr(Path, 'rename', record_rename)
    return seen


@pytest.fixture
def failing(monkeypatch):
    """Return a function that makes fsync(2) fail with the given error number."""

    def fail(code):
        def fsync(_descriptor):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, 'fsync', fsync)

    return fail


class TestWrite:
    def test_counts_and_hashes_the_written_bytes(self, local):
        with local.create_staged() as staged:
            assert (staged.size, staged.sha256) == (0, EMPTY)
            assert staged.write(b'hello ') == 6
            assert staged.write(memoryview(b'world')) == 5

            assert staged.size == 11
            assert staged.sha256 == hashlib.sha256(b'hello world').hexdigest()

    def test_writes_all_bytes_after_partial_writes(self, local):
        with local.create_staged() as staged:
            whole = staged._file

            class Halves:
                def write(self, data):
                    return whole.write(data[: len(data) // 2 + 1])

            staged._file = Halves()
            staged.write(b'0123456789')
            staged._file = whole
            staged.save('a')

        assert read(local, 'a') == b'0123456789'

    @pytest.mark.parametrize(
        ('code', 'error'),
        [
            (errno.ENOSPC, InsufficientStorage),
            (errno.EDQUOT, InsufficientStorage),
            (errno.EIO, ServiceUnavailable),
            (errno.EROFS, ServiceUnavailable),
        ],
    )
    def test_raises_for_a_disk_error(self, local, code, error):
        class Broken:
            def write(self, _data):
                raise OSError(code, os.strerror(code))

        with local.create_staged() as staged:
            whole, staged._file = staged._file, Broken()
            with pytest.raises(ServiceUnavailable) as raised:
                staged.write(b'x')
            staged._file = whole

        assert type(raised.value) is error
        assert isinstance(raised.value.__cause__, OSError)
        assert staged.size == 0


class TestPrepare:
    @pytest.mark.parametrize(
        ('code', 'error'), [(errno.ENOSPC, InsufficientStorage), (errno.EIO, ServiceUnavailable)]
    )
    def test_raises_for_a_disk_error(self, local, failing, code, error):
        local.root.mkdir()
        (local.root / 'incoming').mkdir()
        failing(code)

        with local.create_staged() as staged:
            staged.write(b'x')
            with pytest.raises(error):
                staged.prepare('a')


class TestSave:
    def test_stores_the_object_under_its_key(self, local):
        put(local, 'ab/cd/ef', b'hello')

        assert read(local, 'ab/cd/ef') == b'hello'
        assert incoming(local) == []

    def test_replaces_an_existing_object(self, local):
        put(local, 'a', b'old')
        put(local, 'a', b'new')

        assert read(local, 'a') == b'new'

    def test_is_durable_step_by_step(self, local, calls):
        put(local, 'ab/first', b'1')
        calls.clear()

        with local.create_staged() as staged:
            name = staged._path.name
            staged.write(b'hello')
            staged.prepare('ab/second')
            staged.save('ab/second')

        assert calls == [('fsync', name), ('rename', name, 'second'), ('fsync', 'ab')]

    def test_makes_new_folders_durable_before_their_content(self, local, calls):
        local.root.mkdir()
        put(local, 'first', b'1')
        calls.clear()

        put(local, 'ab/cd/second', b'2')

        blobs = local.root.name
        assert [call[:2] for call in calls if call[0] == 'fsync'][1:] == [
            ('fsync', blobs),
            ('fsync', 'ab'),
            ('fsync', 'cd'),
        ]

    def test_makes_folders_durable_that_a_crashed_process_created(self, local, calls):
        (local.root / 'ab' / 'cd').mkdir(parents=True)

        put(local, 'ab/cd/first', b'1')
        put(local, 'ab/cd/second', b'2')

        folders = [name for what, name, *_ in calls if what == 'fsync'][2:]
        assert folders[:3] == [local.root.name, 'ab', 'cd']
        # The second write does not change the folder `ab`, so it is not synced again.
        assert folders[3:].count('ab') == 0
        assert folders[-1] == 'cd'

    def test_creates_a_folder_again_that_was_deleted(self, local):
        put(local, 'ab/first', b'1')
        local.delete('ab/first')
        (local.root / 'ab').rmdir()

        put(local, 'ab/second', b'2')

        assert read(local, 'ab/second') == b'2'

    def test_rejects_an_invalid_key(self, local):
        with pytest.raises(ValueError, match='not a storage key'), local.create_staged() as staged:
            staged.save('../../etc/passwd')

        assert incoming(local) == []


class TestCreateStaged:
    def test_deletes_an_unsaved_staging_file(self, local):
        with local.create_staged() as staged:
            staged.write(b'hello')
            assert len(incoming(local)) == 1

        assert incoming(local) == []

    def test_deletes_the_staging_file_after_an_error(self, local):
        def receive():
            with local.create_staged() as staged:
                staged.write(b'hello')
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            receive()
        assert incoming(local) == []

    def test_raises_the_first_error_when_the_staging_file_cannot_be_deleted(
        self, local, monkeypatch
    ):
        def unlink(*_, **__):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        def fail():
            with local.create_staged():
                monkeypatch.setattr(Path, 'unlink', unlink)
                raise InsufficientStorage

        with pytest.raises(InsufficientStorage):
            fail()
        assert len(incoming(local)) == 1

    def test_closes_its_file(self, local):
        with local.create_staged() as staged:
            pass

        assert staged._file.closed

    def test_raises_when_the_folder_cannot_be_created(self, tmp_path):
        (tmp_path / 'file').touch()

        with pytest.raises(ServiceUnavailable), LocalStorage(tmp_path / 'file').create_staged():
            pass


class TestOpen:
    def test_raises_for_a_missing_object(self, local):
        with pytest.raises(ServiceUnavailable):
            local.open('a')

    def test_returns_a_real_file(self, local):
        put(local, 'a', b'hello')

        with local.open('a') as file:
            assert os.fstat(file.fileno()).st_size == 5


class TestExists:
    def test_returns_true_for_files_only(self, local):
        put(local, 'ab/cd', b'')

        assert local.exists('ab/cd')
        assert not local.exists('ab')
        assert not local.exists('x')

    def test_raises_for_a_disk_error(self, local):
        local.root.mkdir()

        with pytest.raises(ServiceUnavailable):
            local.size('a' * 1000)  # No file system accepts a name of this length.


class TestIterateNames:
    def test_raises_for_an_unreadable_folder(self, local, monkeypatch):
        put(local, 'a/b', b'Bytes.')
        scandir = os.scandir

        def failing(path):
            if str(path).endswith('/a'):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return scandir(path)

        monkeypatch.setattr(os, 'scandir', failing)

        with pytest.raises(ServiceUnavailable):
            list(local.iterate_names())

    def test_yields_nothing_in_a_new_storage(self, local):
        assert list(local.iterate_names()) == []

    def test_yields_names_in_order_and_continues_after_each(self, local):
        keys = ['a', 'a0', 'a0/1', 'ab/1', 'ab/10', 'ab/2', 'b/1/2', 'b/1/3', 'c']
        keys.remove('a0')  # `a0` is the folder of `a0/1`, so it cannot be an object as well.
        for key in keys:
            put(local, key, key.encode())

        assert [listed.name for listed in local.iterate_names()] == keys
        for number, key in enumerate(keys):
            assert [listed.name for listed in local.iterate_names(after=key)] == keys[number + 1 :]
        assert [tuple(listed) for listed in local.iterate_names('b', after='b/1/2')] == [
            ('b/1/3', 5, True)
        ]

    def test_marks_foreign_names_and_does_not_enter_foreign_folders(self, local):
        put(local, 'a/b', b'1')
        (local.root / 'lost+found' / 'a').mkdir(parents=True)
        (local.root / 'a' / '.nfs0000000012').touch()
        (local.root / 'a' / 'socket').symlink_to('nowhere')

        found = {listed.name: listed.is_key for listed in local.iterate_names()}

        assert found == {'a/b': True, 'a/.nfs0000000012': False, 'lost+found': False}


class TestEnsureDurable:
    def test_makes_the_name_and_its_folders_durable(self, local, calls):
        (local.root / 'ab').mkdir(parents=True)
        (local.root / 'ab' / 'key').touch()

        local.ensure_durable('ab/key')

        assert calls == [('fsync', local.root.name), ('fsync', 'ab')]

    def test_raises_for_a_disk_error(self, local, failing):
        put(local, 'ab/key', b'')
        failing(errno.EIO)

        with pytest.raises(ServiceUnavailable):
            local.ensure_durable('ab/key')


class TestDelete:
    def test_deletes_only_the_given_object(self, local):
        put(local, 'a', b'1')
        put(local, 'b', b'2')

        local.delete('a')
        local.delete('a')

        assert not local.exists('a')
        assert read(local, 'b') == b'2'

    def test_raises_for_a_disk_error(self, local):
        put(local, 'ab/cd', b'')

        with pytest.raises(ServiceUnavailable):
            local.delete('ab')


class TestDeleteAbandoned:
    def test_deletes_staged_bytes_of_an_ended_process(self, local):
        put(local, 'saved', b'')
        abandoned = local.incoming / ('a' * 32)
        abandoned.write_bytes(b'12345')
        with local.create_staged() as staged:
            assert list(local.delete_abandoned(dry_run=True)) == [(abandoned.name, 5, True)]
            assert sorted(incoming(local)) == sorted([abandoned, staged._path])
            assert list(local.delete_abandoned()) == [(abandoned.name, 5, True)]
            assert incoming(local) == [staged._path]

    def test_keeps_foreign_files(self, local):
        for name in ('lost+found', 'a' * 32):
            (local.incoming / name).mkdir(parents=True)
        (local.incoming / '.nfs0000000012').touch()

        found = list(local.delete_abandoned())

        assert [tuple(listed) for listed in found] == [
            ('.nfs0000000012', 0, False), ('a' * 32, 0, False), ('lost+found', 0, False),
        ]  # fmt: skip
        assert len(incoming(local)) == 3

    def test_keeps_files_younger_than_a_day_without_file_locks(self, local, monkeypatch):
        """Some network file systems do not support locks."""

        def fail(*_):
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        monkeypatch.setattr('fcntl.flock', fail)
        local.incoming.mkdir(parents=True)
        old, young = (local.incoming / (letter * 32) for letter in 'ab')
        for path in (old, young):
            path.touch()
        os.utime(old, (time.time() - 86_401,) * 2)

        with local.create_staged() as staged:
            assert [listed.name for listed in local.delete_abandoned()] == [old.name]
            staged.write(b'still works')

    def test_yields_nothing_in_a_new_storage(self, local):
        assert list(local.delete_abandoned()) == []


class TestDiskReserve:
    def test_keeps_bytes_free_for_small_operations(self, local):
        free = shutil.disk_usage(local.root.parent).free
        local.reserve = DiskReserve(free // 2, [local.root])
        with local.create_staged() as staged:
            staged.write(b'x')

        local.reserve = DiskReserve(free + 2**40, [local.root])
        with local.create_staged() as staged, pytest.raises(InsufficientStorage):
            staged.write(b'x')
        local.check_health()  # The test write of the health check may use the reserve.

    def test_is_256_mb_or_two_percent_by_default(self, local, monkeypatch):
        reserve = DiskReserve(None, [local.root])
        for blocks, free, is_full in [
            (2**18, 2**16 - 1, True), (2**18, 2**16, False),
            (2**30, 2**24, True), (2**30, 22_000_000, False),
        ]:  # fmt: skip
            disk = SimpleNamespace(
                f_frsize=4096, f_blocks=blocks, f_bavail=free, f_files=0, f_favail=0
            )
            monkeypatch.setattr('os.statvfs', lambda _, disk=disk: disk)
            assert (reserve.find_full() is not None) == is_full

    def test_keeps_inodes_free(self, local, monkeypatch):
        reserve = DiskReserve(1, [local.root])
        disk = SimpleNamespace(f_frsize=1, f_blocks=9, f_bavail=9, f_files=1000, f_favail=20)
        monkeypatch.setattr('os.statvfs', lambda _: disk)
        reserve.ensure()
        disk.f_favail = 19
        with pytest.raises(InsufficientStorage):
            reserve.ensure()

    def test_is_disabled_by_zero(self, local, monkeypatch):
        monkeypatch.setattr('os.statvfs', lambda _: 1 / 0)

        DiskReserve(0, [local.root]).ensure(2**60)


class TestPath:
    @pytest.mark.parametrize('key', ['a', 'ab/cd/0123', 'avatars/1'])
    def test_is_below_the_root(self, local, key):
        assert local.path(key) == local.root / key

    @pytest.mark.parametrize(
        'key',
        [
            '', '/', '/etc/passwd', '..', '../a', 'a/../b', 'a//b', 'a/', './a', '.hidden',
            'a\0b', 'a\n', 'A', 'ä', 'a b', 'a\\b', 'a.b', '~', 'C:a',
        ],
    )  # fmt: skip
    def test_rejects_an_invalid_key(self, local, key):
        with pytest.raises(ValueError, match='not a storage key'):
            local.path(key)


class TestCheckHealth:
    def test_leaves_no_file(self, local):
        local.check_health()

        assert incoming(local) == []

    def test_raises_when_nothing_can_be_written(self, tmp_path):
        (tmp_path / 'file').touch()

        with pytest.raises(ServiceUnavailable):
            LocalStorage(tmp_path / 'file').check_health()


class TestInitApp:
    @pytest.mark.parametrize(
        'url',
        [
            '', 'relative', 'file://host/path', 'file:relative', 's3:bucket', '/folder', 's3://',
            's3://bucket?unknown=1', 'http://bucket', 'file:///folder?endpoint=x',
        ],
    )  # fmt: skip
    def test_exits_with_one_line_for_an_invalid_url(self, app, monkeypatch, url):
        monkeypatch.setitem(app.config, 'STORAGE_URL', url)

        with pytest.raises(SystemExit, match='STORAGE_URL must be'):
            init_app(app)


class TestStorage:
    def test_returns_the_storage_of_the_application(self, app, monkeypatch, tmp_path):
        monkeypatch.setitem(app.config, 'STORAGE_URL', f'file://{tmp_path}/with%20space')
        init_app(app)

        assert storage().root == tmp_path / 'with space'
