"""Bytes under keys."""

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
from tests.storage_io import put, read

EMPTY = hashlib.sha256(b'').hexdigest()


@pytest.fixture
def place(tmp_path):
    """Return an empty storage."""
    return LocalStorage(tmp_path / 'blobs')


def incoming(place):
    return list((place.root / 'incoming').iterdir())


@pytest.fixture
def calls(monkeypatch):
    """Return what is asked of the disk, in order."""
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
    """Return a function that makes the disk fail when it syncs."""

    def fail(code):
        def fsync(_descriptor):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, 'fsync', fsync)

    return fail


class TestWrite:
    def test_counts_and_hashes_what_comes(self, place):
        with place.create_staged() as staged:
            assert (staged.size, staged.sha256) == (0, EMPTY)
            assert staged.write(b'hello ') == 6
            assert staged.write(memoryview(b'world')) == 5

            assert staged.size == 11
            assert staged.sha256 == hashlib.sha256(b'hello world').hexdigest()

    def test_writes_all_of_it_even_if_the_disk_takes_it_by_halves(self, place):
        with place.create_staged() as staged:
            whole = staged._file

            class Halves:
                def write(self, data):
                    return whole.write(data[: len(data) // 2 + 1])

            staged._file = Halves()
            staged.write(b'0123456789')
            staged._file = whole
            staged.save('a')

        assert read(place, 'a') == b'0123456789'

    @pytest.mark.parametrize(
        ('code', 'refusal'),
        [
            (errno.ENOSPC, InsufficientStorage),
            (errno.EDQUOT, InsufficientStorage),
            (errno.EIO, ServiceUnavailable),
            (errno.EROFS, ServiceUnavailable),
        ],
    )
    def test_rejects_when_the_disk_does(self, place, code, refusal):
        class Broken:
            def write(self, _data):
                raise OSError(code, os.strerror(code))

        with place.create_staged() as staged:
            whole, staged._file = staged._file, Broken()
            with pytest.raises(ServiceUnavailable) as refused:
                staged.write(b'x')
            staged._file = whole

        assert type(refused.value) is refusal
        assert isinstance(refused.value.__cause__, OSError)
        assert staged.size == 0


class TestPrepare:
    @pytest.mark.parametrize(
        ('code', 'refusal'), [(errno.ENOSPC, InsufficientStorage), (errno.EIO, ServiceUnavailable)]
    )
    def test_rejects_when_the_disk_does(self, place, failing, code, refusal):
        place.root.mkdir()
        (place.root / 'incoming').mkdir()
        failing(code)

        with place.create_staged() as staged:
            staged.write(b'x')
            with pytest.raises(refusal):
                staged.prepare('a')


class TestKeep:
    def test_puts_the_bytes_under_a_key(self, place):
        put(place, 'ab/cd/ef', b'hello')

        assert read(place, 'ab/cd/ef') == b'hello'
        assert incoming(place) == []

    def test_replaces_what_was_there(self, place):
        put(place, 'a', b'old')
        put(place, 'a', b'new')

        assert read(place, 'a') == b'new'

    def test_is_durable_step_by_step(self, place, calls):
        put(place, 'ab/first', b'1')
        calls.clear()

        with place.create_staged() as staged:
            name = staged._path.name
            staged.write(b'hello')
            staged.prepare('ab/second')
            staged.save('ab/second')

        assert calls == [('fsync', name), ('rename', name, 'second'), ('fsync', 'ab')]

    def test_makes_new_folders_durable_before_what_is_in_them(self, place, calls):
        place.root.mkdir()
        put(place, 'first', b'1')
        calls.clear()

        put(place, 'ab/cd/second', b'2')

        blobs = place.root.name
        assert [call[:2] for call in calls if call[0] == 'fsync'][1:] == [
            ('fsync', blobs),
            ('fsync', 'ab'),
            ('fsync', 'cd'),
        ]

    def test_makes_folders_durable_that_somebody_made_who_died(self, place, calls):
        (place.root / 'ab' / 'cd').mkdir(parents=True)

        put(place, 'ab/cd/first', b'1')
        put(place, 'ab/cd/second', b'2')

        folders = [name for what, name, *_ in calls if what == 'fsync'][2:]
        assert folders[:3] == [place.root.name, 'ab', 'cd']
        # Once is enough for what does not change.
        assert folders[3:].count('ab') == 0
        assert folders[-1] == 'cd'

    def test_makes_a_folder_anew_that_somebody_took_away(self, place):
        put(place, 'ab/first', b'1')
        place.delete('ab/first')
        (place.root / 'ab').rmdir()

        put(place, 'ab/second', b'2')

        assert read(place, 'ab/second') == b'2'

    def test_rejects_what_is_no_key(self, place):
        with pytest.raises(ValueError, match='not a storage key'), place.create_staged() as staged:
            staged.save('../../etc/passwd')

        assert incoming(place) == []


class TestStage:
    def test_forgets_what_was_not_kept(self, place):
        with place.create_staged() as staged:
            staged.write(b'hello')
            assert len(incoming(place)) == 1

        assert incoming(place) == []

    def test_forgets_what_failed_half_way(self, place):
        def receive():
            with place.create_staged() as staged:
                staged.write(b'hello')
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            receive()
        assert incoming(place) == []

    def test_tells_what_failed_first_where_nothing_can_be_cleaned_up(self, place, monkeypatch):
        def unlink(*_, **__):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        def fail():
            with place.create_staged():
                monkeypatch.setattr(Path, 'unlink', unlink)
                raise InsufficientStorage

        with pytest.raises(InsufficientStorage):
            fail()
        assert len(incoming(place)) == 1

    def test_closes_its_file(self, place):
        with place.create_staged() as staged:
            pass

        assert staged._file.closed

    def test_rejects_where_no_folder_can_be_made(self, tmp_path):
        (tmp_path / 'file').touch()

        with pytest.raises(ServiceUnavailable), LocalStorage(tmp_path / 'file').create_staged():
            pass


class TestOpen:
    def test_rejects_what_is_missing(self, place):
        with pytest.raises(ServiceUnavailable):
            place.open('a')

    def test_gives_a_file_that_the_kernel_can_send(self, place):
        put(place, 'a', b'hello')

        with place.open('a') as file:
            assert os.fstat(file.fileno()).st_size == 5


class TestExists:
    def test_tells_files_from_folders_and_from_nothing(self, place):
        put(place, 'ab/cd', b'')

        assert place.exists('ab/cd')
        assert not place.exists('ab')
        assert not place.exists('x')

    def test_rejects_when_the_disk_does(self, place):
        place.root.mkdir()

        with pytest.raises(ServiceUnavailable):
            place.size('a' * 1000)  # No disk takes such a name.


class TestWalk:
    def test_lets_no_folder_pass_for_empty_that_cannot_be_read(self, place, monkeypatch):
        put(place, 'a/b', b'Bytes.')
        scandir = os.scandir

        def failing(path):
            if str(path).endswith('/a'):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return scandir(path)

        monkeypatch.setattr(os, 'scandir', failing)

        with pytest.raises(ServiceUnavailable):
            list(place.iterate_names())

    def test_finds_nothing_in_a_new_storage(self, place):
        assert list(place.iterate_names()) == []

    def test_yields_names_in_order_and_continues_after_each(self, place):
        keys = ['a', 'a0', 'a0/1', 'ab/1', 'ab/10', 'ab/2', 'b/1/2', 'b/1/3', 'c']
        keys.remove('a0')  # A folder.
        for key in keys:
            put(place, key, key.encode())

        assert [listed.name for listed in place.iterate_names()] == keys
        for number, key in enumerate(keys):
            assert [listed.name for listed in place.iterate_names(after=key)] == keys[number + 1 :]
        assert [tuple(listed) for listed in place.iterate_names('b', after='b/1/2')] == [
            ('b/1/3', 5, True)
        ]

    def test_names_what_others_put_there_and_looks_no_further(self, place):
        put(place, 'a/b', b'1')
        (place.root / 'lost+found' / 'a').mkdir(parents=True)
        (place.root / 'a' / '.nfs0000000012').touch()
        (place.root / 'a' / 'socket').symlink_to('nowhere')

        found = {listed.name: listed.is_key for listed in place.iterate_names()}

        assert found == {'a/b': True, 'a/.nfs0000000012': False, 'lost+found': False}


class TestEnsureDurable:
    def test_makes_the_name_and_its_folders_durable(self, place, calls):
        (place.root / 'ab').mkdir(parents=True)
        (place.root / 'ab' / 'key').touch()

        place.ensure_durable('ab/key')

        assert calls == [('fsync', place.root.name), ('fsync', 'ab')]

    def test_rejects_when_the_disk_does(self, place, failing):
        put(place, 'ab/key', b'')
        failing(errno.EIO)

        with pytest.raises(ServiceUnavailable):
            place.ensure_durable('ab/key')


class TestRemove:
    def test_forgets_it_and_nothing_else(self, place):
        put(place, 'a', b'1')
        put(place, 'b', b'2')

        place.delete('a')
        place.delete('a')

        assert not place.exists('a')
        assert read(place, 'b') == b'2'

    def test_rejects_when_the_disk_does(self, place):
        put(place, 'ab/cd', b'')

        with pytest.raises(ServiceUnavailable):
            place.delete('ab')


class TestDeleteAbandoned:
    def test_deletes_staged_bytes_of_an_ended_process(self, place):
        put(place, 'saved', b'')
        abandoned = place.incoming / ('a' * 32)
        abandoned.write_bytes(b'12345')
        with place.create_staged() as staged:
            assert list(place.delete_abandoned(dry_run=True)) == [(abandoned.name, 5, True)]
            assert sorted(incoming(place)) == sorted([abandoned, staged._path])
            assert list(place.delete_abandoned()) == [(abandoned.name, 5, True)]
            assert incoming(place) == [staged._path]

    def test_leaves_what_others_put_there(self, place):
        for name in ('lost+found', 'a' * 32):
            (place.incoming / name).mkdir(parents=True)
        (place.incoming / '.nfs0000000012').touch()

        found = list(place.delete_abandoned())

        assert [tuple(listed) for listed in found] == [
            ('.nfs0000000012', 0, False), ('a' * 32, 0, False), ('lost+found', 0, False),
        ]  # fmt: skip
        assert len(incoming(place)) == 3

    def test_without_locks_leaves_what_is_younger_than_a_day(self, place, monkeypatch):
        """As on a network file system that has none."""

        def fail(*_):
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        monkeypatch.setattr('fcntl.flock', fail)
        place.incoming.mkdir(parents=True)
        old, young = (place.incoming / (letter * 32) for letter in 'ab')
        for path in (old, young):
            path.touch()
        os.utime(old, (time.time() - 86_401,) * 2)

        with place.create_staged() as staged:
            assert [listed.name for listed in place.delete_abandoned()] == [old.name]
            staged.write(b'still works')

    def test_finds_nothing_in_a_new_storage(self, place):
        assert list(place.delete_abandoned()) == []


class TestReserve:
    def test_keeps_bytes_free_for_small_operations(self, place):
        free = shutil.disk_usage(place.root.parent).free
        place.reserve = DiskReserve(free // 2, [place.root])
        with place.create_staged() as staged:
            staged.write(b'x')

        place.reserve = DiskReserve(free + 2**40, [place.root])
        with place.create_staged() as staged, pytest.raises(InsufficientStorage):
            staged.write(b'x')
        place.check_health()  # Its own write may use the reserve.

    def test_is_256_mb_or_two_percent_by_default(self, place, monkeypatch):
        reserve = DiskReserve(None, [place.root])
        for blocks, free, is_full in [
            (2**18, 2**16 - 1, True), (2**18, 2**16, False),
            (2**30, 2**24, True), (2**30, 22_000_000, False),
        ]:  # fmt: skip
            disk = SimpleNamespace(
                f_frsize=4096, f_blocks=blocks, f_bavail=free, f_files=0, f_favail=0
            )
            monkeypatch.setattr('os.statvfs', lambda _, disk=disk: disk)
            assert (reserve.find_full() is not None) == is_full

    def test_keeps_inodes_free(self, place, monkeypatch):
        reserve = DiskReserve(1, [place.root])
        disk = SimpleNamespace(f_frsize=1, f_blocks=9, f_bavail=9, f_files=1000, f_favail=20)
        monkeypatch.setattr('os.statvfs', lambda _: disk)
        reserve.ensure()
        disk.f_favail = 19
        with pytest.raises(InsufficientStorage):
            reserve.ensure()

    def test_zero_means_no_limit(self, place, monkeypatch):
        monkeypatch.setattr('os.statvfs', lambda _: 1 / 0)

        DiskReserve(0, [place.root]).ensure(2**60)


class TestPath:
    @pytest.mark.parametrize('key', ['a', 'ab/cd/0123', 'avatars/1'])
    def test_is_below_the_root(self, place, key):
        assert place.path(key) == place.root / key

    @pytest.mark.parametrize(
        'key',
        [
            '', '/', '/etc/passwd', '..', '../a', 'a/../b', 'a//b', 'a/', './a', '.hidden',
            'a\0b', 'a\n', 'A', 'ä', 'a b', 'a\\b', 'a.b', '~', 'C:a',
        ],
    )  # fmt: skip
    def test_rejects_what_is_no_key(self, place, key):
        with pytest.raises(ValueError, match='not a storage key'):
            place.path(key)


class TestCheck:
    def test_leaves_nothing_behind(self, place):
        place.check_health()

        assert incoming(place) == []

    def test_rejects_when_nothing_can_be_written(self, tmp_path):
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
    def test_stops_with_one_line_at_what_is_no_storage(self, app, monkeypatch, url):
        monkeypatch.setitem(app.config, 'STORAGE_URL', url)

        with pytest.raises(SystemExit, match='STORAGE_URL must be'):
            init_app(app)


class TestStorage:
    def test_is_the_application_s(self, app, monkeypatch, tmp_path):
        monkeypatch.setitem(app.config, 'STORAGE_URL', f'file://{tmp_path}/with%20space')
        init_app(app)

        assert storage().root == tmp_path / 'with space'
