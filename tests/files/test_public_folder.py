"""The folder of published files: add files and delete them."""

import errno
import os
from pathlib import Path
from threading import Thread

import pytest

from project.files import public_folder
from project.files.errors import AlreadyPublished, NotPublished


@pytest.fixture
def source(tmp_path):
    source = tmp_path / 'source.txt'
    source.write_bytes(b'For everybody.')
    return source


@pytest.fixture
def folder(tmp_path):
    return tmp_path / 'public'


def names(folder):
    """Return all names in the folder, including those of unfinished copies."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*'))


class TestAdd:
    def test_copies_a_file_and_leaves_no_draft(self, source, folder):
        public_folder.add(source, folder / 'nested' / 'a.txt', folder=folder)

        assert names(folder) == ['nested', 'nested/a.txt']
        assert (folder / 'nested' / 'a.txt').read_bytes() == source.read_bytes()

    def test_makes_files_readable_to_all_users_with_any_umask(self, source, folder):
        umask = os.umask(0o077)
        try:
            public_folder.add(source, folder / 'nested' / 'a.txt', folder=folder)
        finally:
            os.umask(umask)

        paths = (folder, folder / 'nested', folder / 'nested' / 'a.txt')
        assert [path.stat().st_mode & 0o777 for path in paths] == [0o755, 0o755, 0o644]

    def test_syncs_the_folders_the_bytes_and_the_link(self, source, folder, monkeypatch):
        happened, fsync, link = [], os.fsync, os.link

        def record_fsync(descriptor):
            path = Path(f'/proc/self/fd/{descriptor}').readlink()
            happened.append(path.name if path.is_dir() else 'bytes')
            return fsync(descriptor)

        def record_link(draft, target):
            happened.append('link')
            return link(draft, target)

        monkeypatch.setattr(os, 'fsync', record_fsync)
        monkeypatch.setattr(os, 'link', record_link)

        public_folder.add(source, folder / 'nested' / 'a.txt', folder=folder)

        assert happened == [folder.parent.name, 'public', 'bytes', 'link', 'nested']

    def test_keeps_a_file_that_was_added_during_the_copy(self, source, folder, monkeypatch):
        target, fsync = folder / 'a.txt', os.fsync

        def interfere(descriptor):
            if folder.exists():
                target.write_bytes(b'Somebody was faster.')
            return fsync(descriptor)

        folder.mkdir()
        monkeypatch.setattr(os, 'fsync', interfere)

        with pytest.raises(AlreadyPublished):
            public_folder.add(source, target, folder=folder)
        assert target.read_bytes() == b'Somebody was faster.'
        assert names(folder) == ['a.txt']

    def test_adds_one_of_several_concurrent_files(self, tmp_path, folder):
        results = []

        def add(number):
            source = tmp_path / str(number)
            source.write_bytes(str(number).encode() * 100_000)
            try:
                results.append(public_folder.add(source, folder / 'a.txt', folder=folder))
            except AlreadyPublished:
                results.append('rejected')

        threads = [Thread(target=add, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(map(str, results)) == ['None'] + ['rejected'] * 7
        assert len(set((folder / 'a.txt').read_bytes())) == 1
        assert names(folder) == ['a.txt']

    @pytest.mark.parametrize('name', ['a.txt', 'a.txt/b', 'a.txt/b/c', 'nested'])
    def test_rejects_a_taken_path(self, source, folder, name):
        (folder / 'nested').mkdir(parents=True)
        (folder / 'a.txt').write_bytes(b'First.')

        with pytest.raises(AlreadyPublished):
            public_folder.add(source, folder / name, folder=folder)

        assert names(folder) == ['a.txt', 'nested']

    def test_leaves_nothing_when_the_disk_is_full(self, source, folder, monkeypatch):
        def full(*_):
            raise OSError(errno.ENOSPC, 'No space left on device')

        monkeypatch.setattr('shutil.copyfileobj', full)

        with pytest.raises(OSError, match='No space left'):
            public_folder.add(source, folder / 'a.txt', folder=folder)
        assert names(folder) == []

    def test_raises_os_error_when_the_folder_cannot_be_created(self, source):
        with pytest.raises(OSError, match='File exists'):
            public_folder.add(source, source / 'public' / 'a.txt', folder=source / 'public')


class TestExists:
    def test_returns_true_for_files_only(self, source):
        assert public_folder.exists(source)
        assert not public_folder.exists(source.parent)
        assert not public_folder.exists(source.parent / 'nothing')


class TestDelete:
    def test_deletes_a_file(self, source):
        public_folder.delete(source)

        assert not source.exists()

    def test_raises_not_published_for_a_deleted_file(self, source):
        with pytest.raises(NotPublished):
            public_folder.delete(source.with_name('nothing'))
