"""Where bytes live: streams under keys, on the local disk. What they mean is a feature's business.

Durable before acknowledged: written to a temporary file, fsync, renamed to their key, fsync of the
folder. A name that a user gave never becomes a path.
"""

import errno
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from flask import Flask, current_app

from project.core.errors import StorageFull, Unavailable

KEY = re.compile(r'[a-z0-9]+(/[a-z0-9]+)*')


class Staged:
    """Bytes on their way in: counted and hashed (SHA-256) as they come, kept under no key yet."""

    def __init__(self, path: Path, storage: 'LocalStorage') -> None:
        self.size = 0
        self._path = path
        self._storage = storage
        self._digest = hashlib.sha256()
        self._file = path.open('xb', buffering=0)

    def write(self, data: bytes | memoryview) -> int:
        """Append bytes; refuses with StorageFull when the disk does."""
        with _disk():
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
        self._digest.update(data)
        self.size += len(data)
        return len(data)

    @property
    def sha256(self) -> str:
        """Return the hash of what came so far, in hexadecimal."""
        return self._digest.hexdigest()

    def sync(self) -> None:
        """Make the bytes durable. The slow half of keeping them; do it before a transaction."""
        with _disk():
            os.fsync(self._file.fileno())

    def keep(self, key: str) -> None:
        """Put the synced bytes under a key, over whatever is there, durably."""
        with _disk():
            target = self._storage.path(key)
            _make_folder(target.parent)
            self._path.rename(target)
            _sync_folder(target.parent)

    def discard(self) -> None:
        """Close, and forget what was not kept."""
        self._file.close()
        self._path.unlink(missing_ok=True)


class LocalStorage:
    """Bytes in files below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._incoming = root / 'incoming'

    @contextmanager
    def stage(self) -> Iterator[Staged]:
        """Receive bytes for the length of the block; what is not kept by then is gone."""
        with _disk():
            _make_folder(self._incoming)
            staged = Staged(self._incoming / uuid4().hex, self)
        try:
            yield staged
        finally:
            staged.discard()

    def open(self, key: str) -> BinaryIO:
        """Open what is stored under a key; refuses with Unavailable when it is missing."""
        with _disk():
            return self.path(key).open('rb', buffering=0)

    def exists(self, key: str) -> bool:
        """Tell whether something is stored under a key."""
        return self.path(key).is_file()

    def remove(self, key: str) -> None:
        """Forget what is stored under a key; forgetting nothing is fine."""
        with _disk():
            self.path(key).unlink(missing_ok=True)

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
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise (StorageFull if full else Unavailable)() from error


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
