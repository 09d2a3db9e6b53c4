"""Files of partial uploads. Chunks are written at an offset, and are durable after a sync.

They are on the local disk, even if the object storage is remote; all processes must share that
disk. While a storage is moved, there is an old and a new folder. `flask files move`, or the next
request that writes to an upload, moves its file to the new folder.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol, cast
from uuid import UUID

from project.core.storage import (
    PARTIAL_NAME_PATTERN,
    ListedName,
    find_status,
    is_file,
    is_folder,
    make_folder,
    storage,
    sync_file,
    sync_folder,
    translate_os_errors,
)

from .errors import UploadNotFound

READ_CHUNK_BYTES = 1024 * 1024


class ArrivingBytes(Protocol):
    """A stream of the bytes of a request body, which arrive while they are read."""

    def read1(self, size: int, /) -> bytes:
        """Return at most `size` bytes, as soon as there are any; b'' at the end."""
        ...


class PartialFile:
    """The file of a partial upload. Its name is the id of the upload."""

    def __init__(self, upload_id: UUID) -> None:
        # In the empty folder of an unmounted volume, every upload would seem to be deleted.
        storage().ensure_mounted()
        self._paths = [folder / upload_id.hex for folder in storage().partial_folders]
        self.path = self._paths[0]
        self._reserve = storage().reserve

    def create_if_missing(self) -> None:
        """Create an empty file, durably, if it does not exist.

        The row of the upload must exist: garbage collection deletes a file without a row.
        """
        with translate_os_errors():
            if any(find_status(path) for path in self._paths):
                return
            make_folder(self.path.parent)
            self.path.touch()
            sync_folder(self.path.parent)

    @contextmanager
    def exclusive(self) -> Iterator[BinaryIO]:
        """Open the file for writing and lock it until the block ends.

        A request locks the file for each write, not until it ends. If several requests write, the
        upload lease decides which one may continue: check the lease inside the block.

        :raises UploadNotFound: if the file does not exist.
        """
        with translate_os_errors():
            while True:
                with self._file() as file:
                    fcntl.flock(file, fcntl.LOCK_EX)
                    # While this request waited for the lock, another may have moved the file.
                    with self._file() as found:
                        is_there = os.path.sameopenfile(file.fileno(), found.fileno())
                    if is_there:
                        yield file
                        return

    def write(self, file: BinaryIO, offset: int, block: bytes) -> None:
        """Write a block at an offset of the file that `exclusive` yields.

        :raises InsufficientStorage: if the disk is full, or only the disk reserve is free.
        """
        self._reserve.ensure(len(block))
        rest = memoryview(block)
        with translate_os_errors():
            while rest:
                written = os.pwrite(file.fileno(), rest, offset)
                rest, offset = rest[written:], offset + written

    def sync(self) -> None:
        """Make the written bytes durable."""
        with translate_os_errors(), self._file() as file:
            os.fsync(file.fileno())

    def open(self) -> BinaryIO:
        """Open the file for reading.

        :raises UploadNotFound: if the file does not exist.
        """
        with translate_os_errors():
            return self._file('rb')

    def prepare(self, key: str) -> None:
        """Prepare the synced bytes to be stored under a key; this is the slow part."""
        storage().prepare(self.path, key)

    def save(self, key: str) -> None:
        """Store the prepared bytes durably under a key. The file of the partial upload stays."""
        storage().save(self.path, key, stays=True)

    def relocate_and_unshare(self) -> None:
        """Move the file to the new folder, without hard links. Call it in `exclusive`.

        `save` may have linked the file to a key although the transaction failed. Then a later write
        to the file would change the stored object as well.

        :raises InsufficientStorage: if the disk is full, or only the disk reserve is free.
        """
        with translate_os_errors(), self._file('rb') as file:
            if find_status(self.path) and os.fstat(file.fileno()).st_nlink == 1:
                return
            self._reserve.ensure(os.fstat(file.fileno()).st_size)
            make_folder(self.path.parent)
            copy = self.path.with_suffix('.copy')
            shutil.copyfile(file.name, copy)
            sync_file(copy)
            copy.rename(self.path)
            sync_folder(self.path.parent)
            for place in self._paths[1:]:
                place.unlink(missing_ok=True)

    def delete(self) -> None:
        """Delete the file. If that fails, garbage collection deletes it later."""
        for path in (*self._paths, self.path.with_suffix('.copy')):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _file(self, mode: str = 'r+b') -> BinaryIO:
        # Try the first path twice: another process may move the file there in the meantime.
        for place in (*self._paths, self.path):
            with suppress(FileNotFoundError):
                return cast(BinaryIO, place.open(mode, buffering=0))
        raise UploadNotFound


def iter_arriving(stream: ArrivingBytes, is_late: Callable[[], bool]) -> Iterator[bytes]:
    """Yield the bytes of a stream in blocks of `READ_CHUNK_BYTES`; the last one may be smaller.

    If the stream raises an error, the bytes that have arrived are yielded before it.

    :param is_late: a function that is called after each read. If it returns True, the block is
        yielded even if it is not full.
    """
    block = bytearray()
    try:
        while arrived := stream.read1(READ_CHUNK_BYTES - len(block)):
            block += arrived
            if len(block) == READ_CHUNK_BYTES or is_late():
                yield bytes(block)
                block.clear()
    except Exception:
        if block:
            yield bytes(block)
        raise
    if block:
        yield bytes(block)


def iterate_names() -> Iterator[ListedName]:
    """Yield the names in the folders of partial uploads. Ids of uploads have `is_key`."""
    return _names(storage().partial_folders)


def in_previous_storage() -> set[UUID]:
    """Return the ids of the partial uploads that are still in the folder of the old storage."""
    names = _names(storage().partial_folders[1:])
    return {UUID(listed.name) for listed in names if listed.is_key}


def _names(folders: Iterable[Path]) -> Iterator[ListedName]:
    for path in (path for folder in folders if is_folder(folder) for path in folder.iterdir()):
        # Another process may delete the file in the meantime.
        with suppress(FileNotFoundError):
            if PARTIAL_NAME_PATTERN.fullmatch(path.name) and is_file(path):
                yield ListedName(path.stem, path.stat().st_size)
            else:
                yield ListedName(path.name, 0, is_key=False)
