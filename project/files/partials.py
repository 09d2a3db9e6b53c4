"""Uploads that come in pieces, over many requests: written at their place, durable when synced.

On the local disk, whatever storage the whole will be kept in; all processes must see the same one.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, cast
from uuid import UUID

from project.core.data.storage import disk, make_folder, storage, sync_folder

from .errors import UploadNotFound


class Partial:
    """The file of an upload, known by its id."""

    def __init__(self, upload_id: UUID) -> None:
        self.path = storage().partial / upload_id.hex

    def create(self) -> None:
        """Make it, empty and durable."""
        with disk():
            make_folder(self.path.parent)
            self.path.touch(exist_ok=False)
            sync_folder(self.path.parent)

    @contextmanager
    def alone(self) -> Iterator[BinaryIO]:
        """Open it for writing, and let no other request do so until the block ends.

        Held for a moment only: who is to write is decided elsewhere, and asked in here.
        """
        with disk(), self._file() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file

    def sync(self) -> None:
        """Make durable what is in it."""
        with disk(), self._file() as file:
            os.fsync(file.fileno())

    def open(self) -> BinaryIO:
        """Open it for reading, or refuse with UploadNotFound."""
        with disk():
            return self._file('rb')

    def prepare(self, key: str) -> None:
        """Bring the synced bytes near to a key: the slow half of keeping them."""
        storage().prepare(self.path, key)

    def keep(self, key: str) -> None:
        """Put the prepared bytes under a key as well, durably; they stay here, too."""
        storage().keep(self.path, key, stays=True)

    def detach(self) -> None:
        """Be no part of anything else: the transaction that was to keep it under a key has failed.

        What is written to it now would be written there as well.
        """
        with disk():
            if self.path.stat().st_nlink == 1:
                return
            copy = self.path.with_suffix('.copy')
            shutil.copyfile(self.path, copy)
            with copy.open('rb') as file:
                os.fsync(file.fileno())
            copy.rename(self.path)
            sync_folder(self.path.parent)

    def discard(self) -> None:
        """Forget it, if that is possible: what stays is swept."""
        for path in (self.path, self.path.with_suffix('.copy')):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _file(self, mode: str = 'r+b') -> BinaryIO:
        try:
            return cast(BinaryIO, self.path.open(mode, buffering=0))
        except FileNotFoundError:
            raise UploadNotFound from None


def write_at(file: BinaryIO, offset: int, block: bytes) -> None:
    """Write a block to its place."""
    rest = memoryview(block)
    while rest:
        written = os.pwrite(file.fileno(), rest, offset)
        rest, offset = rest[written:], offset + written


def stale(before: float) -> list[UUID]:
    """Return the ids of those last written to before a moment (Unix seconds)."""
    folder = storage().partial
    if not folder.is_dir():
        return []
    found = []
    for path in folder.iterdir():
        # Gone by now: it was kept, or given up, while we looked.
        with suppress(FileNotFoundError):
            found += [UUID(path.stem)] if path.stat().st_mtime < before else []
    return found
