"""Staged bytes: a file on the local disk that is not stored under a key yet."""

import fcntl
import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Self
from uuid import uuid4

from .disk_reserve import DiskReserve
from .filesystem import make_folder, translate_os_errors
from .listing import ListedName

if TYPE_CHECKING:
    from .base import Storage

STAGED_NAME_PATTERN = re.compile(r'[0-9a-f]{32}')

# On a file system without locks, a staged file of this age belongs to no process any more.
ABANDONED_AFTER_SECONDS = 24 * 60 * 60


class StagedObject:
    """New bytes, counted and hashed (SHA-256) as they are written.

    A context manager: it deletes the file at the end, unless it was saved. Its process holds a lock
    on the file for as long as it lives, so that the garbage collector knows abandoned files.

    :param keeps_reserve: whether a write raises if it does not leave the reserve of the disk free.
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

        :raises InsufficientStorage: if the disk is full, or nearly so.
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
        """Do nothing. `zipfile` calls it; no byte is buffered here."""

    @property
    def sha256(self) -> str:
        """Return the hash of the bytes so far, in hexadecimal."""
        return self._digest.hexdigest()

    def prepare(self, key: str) -> None:
        """Make the bytes durable: the slow part of saving, before a transaction."""
        self._storage.prepare(self._path, key)

    def save(self, key: str) -> None:
        """Store the prepared bytes under a key, durably, and replace what is there."""
        self._storage.save(self._path, key)

    def delete_unsaved(self) -> None:
        """Close the file, and delete it if it was not saved.

        Errors of the disk are ignored: they would hide the first one, and the garbage collector
        deletes the file later.
        """
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        with suppress(OSError):
            self._file.close()


def delete_abandoned(folder: Path, *, dry_run: bool) -> Iterator[ListedName]:
    """Delete the staged files in a folder that no process has locked, and yield their names."""
    with translate_os_errors():
        paths = sorted(folder.iterdir()) if folder.is_dir() else []
    for path in paths:
        name = path.name
        # Saved or deleted in the meantime.
        with suppress(FileNotFoundError):
            if not STAGED_NAME_PATTERN.fullmatch(name) or not path.is_file():
                yield ListedName(name, 0, is_key=False)
            elif (size := _delete_if_abandoned(path, dry_run=dry_run)) is not None:
                yield ListedName(name, size)


def _create_locked(folder: Path) -> tuple[Path, FileIO]:
    while True:
        path = folder / uuid4().hex
        file = path.open('xb', buffering=0)
        # The garbage collector may have locked and deleted it before us.
        if _lock(file.fileno()) is not False and os.fstat(file.fileno()).st_nlink:
            return path, file
        file.close()


def _delete_if_abandoned(path: Path, *, dry_run: bool) -> int | None:
    """Delete a file unless its process lives, and return its size; None if it lives."""
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
    """Lock a file; return False if another process has, and None if the file system cannot."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
