"""Uploads that come in pieces, over many requests: written at their place, durable when synced.

On the local disk, whatever storage the whole will be kept in; all processes must see the same one.
While bytes move from one storage to another there are two places: what lies in the old one is
brought to the new one by the next request that writes to it, or by the move.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol, cast
from uuid import UUID

from project.core.storage import (
    ListedName,
    make_folder,
    storage,
    sync_file,
    sync_folder,
    translate_os_errors,
)

from .errors import UploadNotFound

READ_CHUNK_BYTES = 1024 * 1024

# `.copy`: on its way from the storage before this one.
PARTIAL_NAME_PATTERN = re.compile(r'[0-9a-f]{32}(\.copy)?')


class ArrivingBytes(Protocol):
    """Bytes on their way in."""

    def read1(self, size: int, /) -> bytes:
        """Return at most `size` bytes: those that have arrived, or the next; none at the end."""


class PartialFile:
    """The file of an upload, known by its id."""

    def __init__(self, upload_id: UUID) -> None:
        # An upload is not gone because its volume is.
        storage().ensure_mounted()
        self._paths = [folder / upload_id.hex for folder in storage().partial_folders]
        self.path = self._paths[0]
        self._reserve = storage().reserve

    def create_if_missing(self) -> None:
        """Create the file, empty and durable. Its row exists: a file without one is deleted."""
        with translate_os_errors():
            if any(path.exists() for path in self._paths):
                return
            make_folder(self.path.parent)
            self.path.touch()
            sync_folder(self.path.parent)

    @contextmanager
    def exclusive(self) -> Iterator[BinaryIO]:
        """Open it for writing, and let no other request do so until the block ends.

        Held for a moment only: who is to write is decided elsewhere, and asked in here.
        """
        with translate_os_errors():
            while True:
                with self._file() as file:
                    fcntl.flock(file, fcntl.LOCK_EX)
                    # While we waited, it may have been brought to its new place.
                    with self._file() as found:
                        is_there = os.path.sameopenfile(file.fileno(), found.fileno())
                    if is_there:
                        yield file
                        return

    def write(self, file: BinaryIO, offset: int, block: bytes) -> None:
        """Write a block to its place in the file that `exclusive` gave.

        :raises InsufficientStorage: if the disk is full, or nearly so.
        """
        self._reserve.ensure(len(block))
        rest = memoryview(block)
        with translate_os_errors():
            while rest:
                written = os.pwrite(file.fileno(), rest, offset)
                rest, offset = rest[written:], offset + written

    def sync(self) -> None:
        """Make durable what is in it."""
        with translate_os_errors(), self._file() as file:
            os.fsync(file.fileno())

    def open(self) -> BinaryIO:
        """Open it for reading, or refuse with UploadNotFound."""
        with translate_os_errors():
            return self._file('rb')

    def prepare(self, key: str) -> None:
        """Bring the synced bytes near to a key: the slow half of keeping them."""
        storage().prepare(self.path, key)

    def save(self, key: str) -> None:
        """Put the prepared bytes under a key as well, durably; they stay here, too."""
        storage().save(self.path, key, stays=True)

    def relocate_and_unshare(self) -> None:
        """Lie where new ones do, and be no part of anything else. Only while it is held alone.

        The transaction that was to keep it under a key may have failed: what is written to it now
        would be written there as well.
        """
        with translate_os_errors(), self._file('rb') as file:
            if self.path.exists() and os.fstat(file.fileno()).st_nlink == 1:
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
        """Forget it, if that is possible: what stays is swept."""
        for path in (*self._paths, self.path.with_suffix('.copy')):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _file(self, mode: str = 'r+b') -> BinaryIO:
        # Looked for twice where it comes to: it may have come there between the looks.
        for place in (*self._paths, self.path):
            with suppress(FileNotFoundError):
                return cast(BinaryIO, place.open(mode, buffering=0))
        raise UploadNotFound


def iter_arriving(stream: ArrivingBytes, is_late: Callable[[], bool]) -> Iterator[bytes]:
    """Yield the bytes of a stream in blocks of at most `READ_CHUNK_BYTES`.

    If the stream raises, its last bytes are yielded first: bytes that have arrived count.

    :param is_late: called after each read; if it returns True, the block is yielded as it is.
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
    """Yield the names in the folders of partial uploads; those that are keys are ids of uploads."""
    return _names(storage().partial_folders)


def in_previous_storage() -> set[UUID]:
    """Return the ids of those that lie where they did before the storage was another."""
    names = _names(storage().partial_folders[1:])
    return {UUID(listed.name) for listed in names if listed.is_key}


def _names(folders: Iterable[Path]) -> Iterator[ListedName]:
    for path in (path for folder in folders if folder.is_dir() for path in folder.iterdir()):
        # Deleted in the meantime.
        with suppress(FileNotFoundError):
            if PARTIAL_NAME_PATTERN.fullmatch(path.name) and path.is_file():
                yield ListedName(path.stem, path.stat().st_size)
            else:
                yield ListedName(path.name, 0, is_key=False)
