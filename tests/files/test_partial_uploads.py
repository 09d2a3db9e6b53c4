"""Partial uploads (unfinished resumable uploads), also while the storage is moved."""

import fcntl
import json
import threading
from io import BytesIO
from uuid import uuid4

import pytest

from project.core.storage import FallbackStorage, LocalStorage
from project.files import service
from project.files.partial_uploads import READ_CHUNK_BYTES, PartialFile, iter_arriving

from .file_io import read

CONTENT = b'Some bytes that come in pieces.'


@pytest.fixture
def upload_id(ada):
    """An upload of Ada whose first ten bytes are in the old storage."""
    upload = service.create_upload(ada.id, length=len(CONTENT), name='notes.txt')
    service.append(ada.id, upload.id, BytesIO(CONTENT[:10]), offset=0)
    return upload.id


@pytest.fixture
def old(var):
    """The folder of partial uploads in the old storage."""
    return var / 'storage' / 'partial'


@pytest.fixture
def new(var):
    """The folder of partial uploads in the new storage."""
    return var / 'new' / 'partial'


@pytest.fixture
def switch_storage(app, var, monkeypatch):
    """Return a function that makes the new storage the current one.

    The old storage becomes its fallback.
    """

    def restart():
        both = FallbackStorage(LocalStorage(var / 'new'), LocalStorage(var / 'storage'))
        monkeypatch.setitem(app.extensions, 'storage', both)
        monkeypatch.setitem(app.config, 'STORAGE_URL', f'file://{var}/new')

    return restart


def names_in(folder):
    """Return the names in a folder; an empty list if the folder does not exist."""
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


class TestPartialUploadsDuringAMove:
    def test_are_continued_in_the_new_storage(self, ada, upload_id, old, new, switch_storage):
        switch_storage()

        progress = service.append(ada.id, upload_id, BytesIO(CONTENT[10:20]), offset=10)
        assert (progress.offset, names_in(old), names_in(new)) == (20, [], [upload_id.hex])
        last = service.append(ada.id, upload_id, BytesIO(CONTENT[20:]), offset=20)

        assert read(ada.id, last.file_id) == CONTENT
        assert names_in(new) == []
        assert not any(service.check_integrity())

    def test_are_moved_by_the_command(self, cli, ada, upload_id, var, old, new, switch_storage):
        switch_storage()
        assert not any(service.check_integrity())

        result = cli.invoke(args=['files', 'move', '--to', f'file://{var}/new', '--json'])

        assert json.loads(result.stdout) == {'moved': 1, 'there': 0, 'failed': 0}
        assert (names_in(old), names_in(new)) == ([], [upload_id.hex])
        last = service.append(ada.id, upload_id, BytesIO(CONTENT[10:]), offset=10)
        assert read(ada.id, last.file_id) == CONTENT

    def test_stay_in_the_old_storage_when_the_move_fails(
        self, cli, upload_id, var, old, switch_storage
    ):
        switch_storage()
        (var / 'new').mkdir()
        (var / 'new' / 'partial').touch()  # This file prevents the creation of the folder.

        result = cli.invoke(args=['files', 'move', '--to', f'file://{var}/new', '--json'])

        assert (result.exit_code, json.loads(result.stdout)['failed']) == (1, 1)
        assert (old / upload_id.hex).read_bytes() == CONTENT[:10]

    def test_are_deleted_from_both_storages_when_cancelled(
        self, ada, upload_id, old, new, switch_storage
    ):
        switch_storage()
        new.mkdir(parents=True)
        (new / upload_id.hex).touch()

        service.delete_upload(ada.id, upload_id)

        assert (names_in(old), names_in(new)) == ([], [])

    def test_are_garbage_collected_from_both_storages(self, old, new, switch_storage):
        dead = uuid4()
        PartialFile(dead).create_if_missing()
        switch_storage()
        new.mkdir(parents=True)
        (new / dead.hex).touch()

        assert [(item.kind, item.name) for item in service.collect_garbage()] == [
            ('incoming', dead.hex)
        ]

        assert (names_in(old), names_in(new)) == ([], [])

    def test_lose_no_byte_of_a_writer_that_waited_for_the_move(
        self, upload_id, old, new, switch_storage, monkeypatch
    ):
        switch_storage()
        is_waiting, lock, moved = threading.Event(), fcntl.flock, PartialFile(upload_id)

        def signalling_lock(file, how):
            if threading.current_thread() is writer:
                is_waiting.set()  # The writer has opened the old file.
            lock(file, how)

        def write():
            with waiting.exclusive() as file:
                waiting.write(file, 10, CONTENT[10:])

        waiting, writer = PartialFile(upload_id), threading.Thread(target=write)
        monkeypatch.setattr(fcntl, 'flock', signalling_lock)
        with moved.exclusive():
            writer.start()
            assert is_waiting.wait(10)
            moved.relocate_and_unshare()
        writer.join()

        assert (new / upload_id.hex).read_bytes() == CONTENT
        assert names_in(old) == []


class SlowStream(BytesIO):
    """A stream that returns at most three bytes per read."""

    def read1(self, size=-1):
        return super().read1(min(size, 3))


class TestIterArriving:
    def test_collects_bytes_until_they_are_late(self):
        late = iter([False, True, False, False])

        assert list(iter_arriving(SlowStream(b'0123456789'), lambda: next(late))) == [
            b'012345',
            b'6789',
        ]

    def test_yields_no_block_larger_than_the_limit(self):
        stream = BytesIO(bytes(READ_CHUNK_BYTES + 1))

        sizes = [len(block) for block in iter_arriving(stream, lambda: False)]

        assert sizes == [READ_CHUNK_BYTES, 1]

    def test_yields_the_arrived_bytes_before_it_raises(self):
        class Broken(SlowStream):
            def read1(self, size=-1):
                if self.tell() == 6:
                    raise ConnectionResetError
                return super().read1(size)

        blocks = iter_arriving(Broken(b'0123456789'), lambda: False)

        assert next(blocks) == b'012345'
        with pytest.raises(ConnectionResetError):
            next(blocks)

    def test_yields_nothing_for_an_empty_stream(self):
        assert list(iter_arriving(BytesIO(), lambda: True)) == []
