"""Staging files: new bytes on the local disk that are not stored under a key yet."""

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Self
from uuid import uuid4

from .disk_reserve import DiskReserve
from .filesystem import is_file, is_folder, make_folder, translate_os_errors
from .listing import STAGED_NAME_PATTERN, ListedName

if TYPE_CHECKING:
    from .base import Storage

# On a file system without locks, a staging file that is older than this counts as abandoned: its
# process has ended.
ABANDONED_AFTER_SECONDS = 24 * 60 * 60


class StagedObject:
    """A staging file. It counts and hashes (SHA-256) the bytes that are written to it.

    It is a context manager: at the end of the block, it deletes the file, unless the file was
    saved. The process has a lock on the file while it uses it. So garbage collection recognizes the
    files of processes that have ended.

    :param keeps_reserve: whether `write` raises InsufficientStorage before it uses the reserve of
        the disk.
    """

    def __init__(self, storage: 'Storage', *, keeps_reserve: bool = True) -> None:
        self.size = 0
        self._storage = storage
        self._reserve = storage.reserve if keeps_reserve else DiskReserve(0)
        self._digest = hashlib.sha256()
        with translate_os_errors():
            make_folder(storage.incoming)
            self._path, self._file = _create_locked(storage.incoming)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.delete_unsaved()

    def write(self, data: bytes | memoryview) -> int:
        """Append bytes.

        :raises InsufficientStorage: if the disk is full, or only the disk reserve is free.
        """
        self._reserve.ensure(len(data))
        with translate_os_errors():
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
        self._digest.update(data)
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: bytes are not buffered. `zipfile` calls this method."""

    @property
    def sha256(self) -> str:
        """Return the SHA-256 hash of the bytes so far, in hexadecimal."""
        return self._digest.hexdigest()

    @property
    def modified_at(self) -> float:
        """Return the time of the last write by the clock of the file system, in seconds."""
        with translate_os_errors():
            return os.fstat(self._file.fileno()).st_mtime

    def prepare(self, key: str) -> None:
        """Make the bytes durable.

        This is slow, so call it before the transaction that calls `save`.
        """
        self._storage.prepare(self._path, key)

    def save(self, key: str) -> None:
        """Store the prepared bytes durably under a key, and replace an existing object."""
        self._storage.save(self._path, key)

    def delete_unsaved(self) -> None:
        """Close the file, and delete it if it was not saved.

        Errors of the disk are ignored: they would hide an earlier error, and garbage collection
        deletes the file later.
        """
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        with suppress(OSError):
            self._file.close()


def delete_abandoned(folder: Path, *, dry_run: bool) -> Iterator[ListedName]:
    """Delete the staging files that no process has locked, and yield their names.

    Names that this service cannot have created are yielded, too, but not deleted.
    """
    with translate_os_errors():
        paths = sorted(folder.iterdir()) if is_folder(folder) else []
    for path in paths:
        name = path.name
        # The file may have been saved or deleted in the meantime.
        with suppress(FileNotFoundError):
            if not STAGED_NAME_PATTERN.fullmatch(name) or not is_file(path):
                yield ListedName(name, 0, is_key=False)
            elif (size := _delete_if_abandoned(path, dry_run=dry_run)) is not None:
                yield ListedName(name, size)


def _create_locked(folder: Path) -> tuple[Path, FileIO]:
    while True:
        path = folder / uuid4().hex
        file = path.open('xb', buffering=0)
        # Between the creation and the lock of a file, garbage collection may have deleted it. Then
        # create another one.
        if _lock(file.fileno()) is not False and os.fstat(file.fileno()).st_nlink:
            return path, file
        file.close()


def _delete_if_abandoned(path: Path, *, dry_run: bool) -> int | None:
    """Delete a staging file whose process has ended; return its size, or None if it is in use."""
    with translate_os_errors(missing_ok=True), path.open('rb', buffering=0) as file:
        status = os.fstat(file.fileno())
        is_ours = _lock(file.fileno())
        if is_ours is None:
            is_ours = time.time() - status.st_mtime > ABANDONED_AFTER_SECONDS
        if not is_ours:
            return None
        if not dry_run:
            path.unlink()
        return status.st_size


def _lock(descriptor: int) -> bool | None:
    """Lock a file, without waiting; return whether that succeeded.

    :returns: False if another process has the lock; None if the file system has no locks.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
