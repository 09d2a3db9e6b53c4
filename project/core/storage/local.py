"""Bytes on the local disk: written to a temporary file, fsync, renamed to their key, fsync of the
folders.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from .base import Storage, StoredObject
from .filesystem import make_folder, sync_file, sync_folder, translate_os_errors
from .listing import ListedName, check_key, walk_folder


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
        self._durable_folders: set[Path] = set()

    def prepare(self, path: Path, key: str) -> None:
        """Make a file durable where it is."""
        check_key(key)
        with translate_os_errors():
            sync_file(path)

    def save(self, path: Path, key: str, *, stays: bool = False) -> None:
        """Rename a file to its key; where it stays, its bytes get that name as well."""
        with translate_os_errors():
            target = self.path(key)
            self.ensure_durable_folder(target.parent)
            if stays:
                with suppress(FileExistsError):
                    target.hardlink_to(path)
            else:
                path.rename(target)
            sync_folder(target.parent)

    def open(self, key: str) -> StoredObject:
        """Open a file; refuses with ServiceUnavailable when it is missing."""
        with translate_os_errors():
            return LocalFile(self.path(key), key)

    @contextmanager
    def as_local_file(self, key: str) -> Iterator[IO[bytes]]:
        """Give the file itself."""
        with translate_os_errors():
            file = LocalFile(self.path(key), key)
        with file:
            yield file

    def size(self, key: str) -> int | None:
        """Return the size of a file; None where there is none."""
        path = self.path(key)
        with translate_os_errors():
            return path.stat().st_size if path.is_file() else None

    def ensure_durable(self, key: str) -> None:
        """Make a name durable: who gave it may have died between the rename and the sync."""
        with translate_os_errors():
            folder = self.path(key).parent
            self.ensure_durable_folder(folder)
            sync_folder(folder)

    def ensure_durable_folder(self, folder: Path) -> None:
        """Make a folder below the root durable, there or not: who made it may have died, too.

        Once in a process each, for a sync waits for the disk even where there is nothing to do.
        """
        if folder == self.root:
            make_folder(folder)
        elif folder not in self._durable_folders or not folder.is_dir():
            self.ensure_durable_folder(folder.parent)
            folder.mkdir(exist_ok=True)
            sync_folder(folder.parent)
            self._durable_folders.add(folder)

    def delete(self, key: str) -> None:
        """Remove a file; one that is not there is fine."""
        with translate_os_errors():
            self.path(key).unlink(missing_ok=True)

    def iterate_names(self, prefix: str = '', *, after: str = '') -> Iterator[ListedName]:
        """Yield the files below a folder in the order of their names."""
        with translate_os_errors():
            top = self.path(prefix) if prefix else self.root
            yield from walk_folder(top, prefix, tuple(after.split('/')) if after else ())

    def path_for_proxy(self, key: str) -> str | None:
        """Return the key: that is the path below the folder."""
        return check_key(key)

    def path(self, key: str) -> Path:
        """Return the file of a key. Refuses what is no key with ValueError."""
        return self.root / check_key(key)

    def is_mounted(self, marker: str) -> bool:
        """Return whether the marker is there, which takes one `stat`."""
        with translate_os_errors():
            return self.path(marker).is_file()

    def check_health(self) -> None:
        """Refuse with ServiceUnavailable when nothing can be written."""
        self.write_probe()
