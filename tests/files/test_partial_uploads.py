"""Continue unfinished uploads while the storage moves to another folder."""

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
def begun(ada):
    """An upload of Ada's whose first ten bytes came before the storage was another."""
    upload = service.create_upload(ada.id, length=len(CONTENT), name='notes.txt')
    service.append(ada.id, upload.id, BytesIO(CONTENT[:10]), offset=0)
    return upload.id


@pytest.fixture
def old(var):
    """The folder of pieces that was."""
    return var / 'storage' / 'partial'


@pytest.fixture
def new(var):
    """The folder of pieces that is."""
    return var / 'new' / 'partial'


@pytest.fixture
def moving(app, var, monkeypatch):
    """Return a function that restarts the service with another storage."""

    def restart():
        both = FallbackStorage(LocalStorage(var / 'new'), LocalStorage(var / 'storage'))
        monkeypatch.setitem(app.extensions, 'storage', both)
        monkeypatch.setitem(app.config, 'STORAGE_URL', f'file://{var}/new')

    return restart


def names_in(folder):
    """Return what is in a folder."""
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


class TestUploadsUnderWay:
    def test_go_on_in_the_new_storage(self, ada, begun, old, new, moving):
        moving()

        progress = service.append(ada.id, begun, BytesIO(CONTENT[10:20]), offset=10)
        assert (progress.offset, names_in(old), names_in(new)) == (20, [], [begun.hex])
        last = service.append(ada.id, begun, BytesIO(CONTENT[20:]), offset=20)

        assert read(ada.id, last.file_id) == CONTENT
        assert names_in(new) == []
        assert not any(service.check_integrity())

    def test_come_with_the_move(self, cli, ada, begun, var, old, new, moving):
        moving()
        assert not any(service.check_integrity())

        result = cli.invoke(args=['files', 'move', '--to', f'file://{var}/new', '--json'])

        assert json.loads(result.stdout) == {'moved': 1, 'there': 0, 'failed': 0}
        assert (names_in(old), names_in(new)) == ([], [begun.hex])
        last = service.append(ada.id, begun, BytesIO(CONTENT[10:]), offset=10)
        assert read(ada.id, last.file_id) == CONTENT

    def test_stay_where_they_are_where_they_cannot_be_brought(self, cli, begun, var, old, moving):
        moving()
        (var / 'new').mkdir()
        (var / 'new' / 'partial').touch()  # No folder can be made here.

        result = cli.invoke(args=['files', 'move', '--to', f'file://{var}/new', '--json'])

        assert (result.exit_code, json.loads(result.stdout)['failed']) == (1, 1)
        assert (old / begun.hex).read_bytes() == CONTENT[:10]

    def test_are_given_up_in_both_places(self, ada, begun, old, new, moving):
        moving()
        new.mkdir(parents=True)
        (new / begun.hex).touch()

        service.delete_upload(ada.id, begun)

        assert (names_in(old), names_in(new)) == ([], [])

    def test_are_deleted_in_both_places(self, old, new, moving):
        dead = uuid4()
        PartialFile(dead).create_if_missing()
        moving()
        new.mkdir(parents=True)
        (new / dead.hex).touch()

        assert [(swept.kind, swept.name) for swept in service.collect_garbage()] == [
            ('incoming', dead.hex)
        ]

        assert (names_in(old), names_in(new)) == ([], [])

    def test_lose_no_byte_of_who_waited_while_they_were_brought(
        self, begun, old, new, moving, monkeypatch
    ):
        moving()
        asked, lock, moved = threading.Event(), fcntl.flock, PartialFile(begun)

        def telling(file, how):
            if threading.current_thread() is writer:
                asked.set()  # It has the file open that is about to go.
            lock(file, how)

        def write():
            with waiting.exclusive() as file:
                waiting.write(file, 10, CONTENT[10:])

        waiting, writer = PartialFile(begun), threading.Thread(target=write)
        monkeypatch.setattr(fcntl, 'flock', telling)
        with moved.exclusive():
            writer.start()
            assert asked.wait(10)
            moved.relocate_and_unshare()
        writer.join()

        assert (new / begun.hex).read_bytes() == CONTENT
        assert names_in(old) == []


class Line(BytesIO):
    """A line on which three bytes arrive at a time."""

    def read1(self, size=-1):
        return super().read1(min(size, 3))


class TestIterArriving:
    def test_collects_bytes_until_they_are_late(self):
        late = iter([False, True, False, False])

        assert list(iter_arriving(Line(b'0123456789'), lambda: next(late))) == [b'012345', b'6789']

    def test_yields_no_block_beyond_the_limit(self):
        stream = BytesIO(bytes(READ_CHUNK_BYTES + 1))

        sizes = [len(block) for block in iter_arriving(stream, lambda: False)]

        assert sizes == [READ_CHUNK_BYTES, 1]

    def test_yields_what_arrived_before_it_raises(self):
        class Broken(Line):
            def read1(self, size=-1):
                if self.tell() == 6:
                    raise ConnectionResetError
                return super().read1(size)

        blocks = iter_arriving(Broken(b'0123456789'), lambda: False)

        assert next(blocks) == b'012345'
        with pytest.raises(ConnectionResetError):
            next(blocks)

    def test_yields_nothing_of_an_empty_stream(self):
        assert list(iter_arriving(BytesIO(), lambda: True)) == []
