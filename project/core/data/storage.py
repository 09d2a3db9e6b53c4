"""Where bytes live: streams under keys, on the local disk. What they mean is a feature's business.

Durable before acknowledged: written to a temporary file, fsync, renamed to their key, fsync of the
folders. A name that a user gave never becomes a path.
"""

import errno
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Self
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from flask import Flask, current_app

from project.core.errors import StorageFull, Unavailable

KEY = re.compile(r'[a-z0-9]+(/[a-z0-9]+)*')


class Staged:
    """Bytes on their way in: counted and hashed (SHA-256) as they come, kept under no key yet.

    A block: what is not kept by its end is gone.
    """

    def __init__(self, path: Path, storage: 'LocalStorage') -> None:
        self.size = 0
        self._path = path
        self._storage = storage
        self._digest = hashlib.sha256()
        self._file = path.open('xb', buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def write(self, data: bytes | memoryview) -> int:
        """Append bytes; refuses with StorageFull when the disk does."""
        with disk():
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
        self._digest.update(data)
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing, where writers of archives ask for it: nothing is held back here."""

    @property
    def sha256(self) -> str:
        """Return the hash of what came so far, in hexadecimal."""
        return self._digest.hexdigest()

    def sync(self) -> None:
        """Make the bytes durable. The slow half of keeping them; do it before a transaction."""
        with disk():
            os.fsync(self._file.fileno())

    def keep(self, key: str) -> None:
        """Put the synced bytes under a key, over whatever is there, durably."""
        with disk():
            target = self._storage.path(key)
            self._storage.settle_folder(target.parent)
            self._path.rename(target)
            sync_folder(target.parent)

    def discard(self) -> None:
        """Close, and forget what was not kept."""
        self._file.close()
        self._path.unlink(missing_ok=True)


class LocalStorage:
    """Bytes in files below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._incoming = root / 'incoming'
        self._settled: set[Path] = set()

    def stage(self) -> Staged:
        """Return a place for bytes that come in; discard it in the end, as a `with` does."""
        with disk():
            make_folder(self._incoming)
            return Staged(self._incoming / uuid4().hex, self)

    def open(self, key: str) -> BinaryIO:
        """Open what is stored under a key; refuses with Unavailable when it is missing."""
        with disk():
            return self.path(key).open('rb', buffering=0)

    def exists(self, key: str) -> bool:
        """Tell whether something is stored under a key."""
        return self.path(key).is_file()

    def settle(self, key: str) -> None:
        """Make durable what is there: who put it may have died between the rename and the sync."""
        with disk():
            folder = self.path(key).parent
            self.settle_folder(folder)
            sync_folder(folder)

    def settle_folder(self, folder: Path) -> None:
        """Make a folder below the root durable, there or not: who made it may have died, too.

        Once in a process each, for a sync waits for the disk even where there is nothing to do.
        """
        if folder == self.root:
            make_folder(folder)
        elif folder not in self._settled or not folder.is_dir():
            self.settle_folder(folder.parent)
            folder.mkdir(exist_ok=True)
            sync_folder(folder.parent)
            self._settled.add(folder)

    def remove(self, key: str) -> None:
        """Forget what is stored under a key; forgetting nothing is fine."""
        with disk():
            self.path(key).unlink(missing_ok=True)

    def keys(self, prefix: str) -> Iterator[tuple[str, float]]:
        """Yield every key below one, each with when it came to its place (Unix seconds)."""
        for folder, _, names in os.walk(self.path(prefix)):
            for name in names:
                path = Path(folder, name)
                # Gone by now: it was removed while we looked.
                with suppress(FileNotFoundError):
                    yield str(path.relative_to(self.root)), path.stat().st_ctime

    def stale(self, before: float) -> list[Path]:
        """Return what came in and was never kept, last touched before a moment (Unix seconds)."""
        if not self._incoming.is_dir():
            return []
        found = []
        for path in self._incoming.iterdir():
            # Gone by now: it was kept, or given up, while we looked.
            with suppress(FileNotFoundError):
                found += [path] if path.stat().st_mtime < before else []
        return found

    def path(self, key: str) -> Path:
        """Return the file of a key. Refuses what is no key with ValueError."""
        if not KEY.fullmatch(key):
            raise ValueError(f'not a storage key: {key!r}')
        return self.root / key

    def check(self) -> None:
        """Refuse with Unavailable when nothing can be written."""
        with self.stage() as staged:
            staged.write(b'ready?')


def init_app(app: Flask) -> None:
    """Open the storage that `STORAGE_URL` names; stop with one line when it is no such thing."""
    parts = urlsplit(app.config['STORAGE_URL'])
    path = unquote(parts.path)
    if parts.scheme != 'file' or parts.netloc or not path.startswith('/'):
        raise SystemExit('STORAGE_URL must be file:///an/absolute/folder')
    app.extensions['storage'] = LocalStorage(Path(path))


def storage() -> LocalStorage:
    """Return the application's storage."""
    place: LocalStorage = current_app.extensions['storage']
    return place


@contextmanager
def disk() -> Iterator[None]:
    """Refuse with StorageFull, or Unavailable, where the disk does."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise (StorageFull if full else Unavailable)() from error


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, durably; one that is there stays as it is."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make durable which names are in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
