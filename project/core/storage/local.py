"""Bytes on the local disk: written to a temporary file, fsync, renamed to their key, fsync of the
folders.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from .base import INCOMING, PARTIAL, Storage, Stored, check_key
from .filesystem import disk, make_folder, sync_file, sync_folder


class LocalFile(io.FileIO):
    """A stored file."""

    def __init__(self, path: Path, key: str) -> None:
        super().__init__(path)
        self.key = key
        self.size = os.fstat(self.fileno()).st_size


class LocalStorage(Storage):
    """Bytes in files below one folder, in which they are staged, too."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.root = root
        self._settled: set[Path] = set()

    def prepare(self, path: Path, key: str) -> None:
        """Make a file durable where it is."""
        check_key(key)
        with disk():
            sync_file(path)

    def keep(self, path: Path, key: str, *, stays: bool = False) -> None:
        """Rename a file to its key; where it stays, its bytes get that name as well."""
        with disk():
            target = self.path(key)
            self.settle_folder(target.parent)
            if stays:
                with suppress(FileExistsError):
                    target.hardlink_to(path)
            else:
                path.rename(target)
            sync_folder(target.parent)

    def open(self, key: str) -> Stored:
        """Open a file; refuses with Unavailable when it is missing."""
        with disk():
            return LocalFile(self.path(key), key)

    @contextmanager
    def on_disk(self, key: str) -> Iterator[IO[bytes]]:
        """Give the file itself."""
        with disk():
            file = LocalFile(self.path(key), key)
        with file:
            yield file

    def size(self, key: str) -> int | None:
        """Return the size of a file; None where there is none."""
        path = self.path(key)
        with disk():
            return path.stat().st_size if path.is_file() else None

    def settle(self, key: str) -> None:
        """Make a name durable: who gave it may have died between the rename and the sync."""
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
        """Remove a file; one that is not there is fine."""
        with disk():
            self.path(key).unlink(missing_ok=True)

    def walk(self, prefix: str = '') -> Iterator[tuple[str, float]]:
        """Yield every file below a folder, each with when it came to its place (Unix seconds)."""
        top = self.path(prefix) if prefix else self.root
        with disk():
            for folder, below, names in os.walk(top, onerror=_refuse):
                if Path(folder) == self.root:
                    below[:] = [name for name in below if name not in (INCOMING, PARTIAL)]
                for name in names:
                    path = Path(folder, name)
                    # Gone by now: it was removed while we looked.
                    with suppress(FileNotFoundError):
                        yield str(path.relative_to(self.root)), path.stat().st_ctime

    def path_for_proxy(self, key: str) -> str | None:
        """Return the key: that is the path below the folder."""
        return check_key(key)

    def path(self, key: str) -> Path:
        """Return the file of a key. Refuses what is no key with ValueError."""
        return self.root / check_key(key)

    def check(self) -> None:
        """Refuse with Unavailable when nothing can be written."""
        with self.stage() as staged:
            staged.write(b'ready?')


def _refuse(error: OSError) -> None:
    """Let no folder pass for empty that cannot be read, unless it is gone."""
    if not isinstance(error, FileNotFoundError):
        raise error
