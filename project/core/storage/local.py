"""Object storage on the local disk.

A new object is first written to a staging file. This file is synced and renamed to its key; then
the folder is synced.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from .base import Storage
from .filesystem import (
    is_file,
    is_folder,
    make_folder,
    sync_file,
    sync_folder,
    translate_os_errors,
)
from .listing import ListedName, check_key, walk_folder
from .object_interface import StoredObject


class LocalFile(io.FileIO):
    """A stored object as a file."""

    def __init__(self, path: Path, key: str) -> None:
        super().__init__(path)
        self.key = key
        self.size = os.fstat(self.fileno()).st_size


class LocalStorage(Storage):
    """A storage in one folder of the local disk, which also contains the staging files.

    :param root: the folder.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.root = root
        self._durable_folders: set[Path] = set()

    def prepare(self, path: Path, key: str) -> None:
        """Make a staging file durable, where it is."""
        check_key(key)
        with translate_os_errors():
            sync_file(path)

    def save(self, path: Path, key: str, *, stays: bool = False) -> None:
        """Rename a staging file to its key; with `stays`, create a hard link to it instead."""
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
        """Open the file of a key.

        :raises ServiceUnavailable: if the file does not exist, or the disk fails.
        """
        with translate_os_errors():
            return LocalFile(self.path(key), key)

    @contextmanager
    def as_local_file(self, key: str) -> Iterator[IO[bytes]]:
        """Provide the stored file itself, not a copy."""
        with translate_os_errors():
            file = LocalFile(self.path(key), key)
        with file:
            yield file

    def size(self, key: str) -> int | None:
        """Return the size of a file in bytes, or None if it does not exist."""
        path = self.path(key)
        with translate_os_errors():
            return path.stat().st_size if is_file(path) else None

    def ensure_durable(self, key: str) -> None:
        """Make the name of an existing object durable.

        Its writer may have crashed after the rename and before the folder was synced.
        """
        with translate_os_errors():
            folder = self.path(key).parent
            self.ensure_durable_folder(folder)
            sync_folder(folder)

    def ensure_durable_folder(self, folder: Path) -> None:
        """Make a folder below the root durable, and create it if it does not exist.

        An existing folder is synced, too: its creator may have crashed before doing so. Each
        process does this once per folder, because a sync always waits for the disk.
        """
        if folder == self.root:
            make_folder(folder)
        elif folder not in self._durable_folders or not is_folder(folder):
            self.ensure_durable_folder(folder.parent)
            folder.mkdir(exist_ok=True)
            sync_folder(folder.parent)
            self._durable_folders.add(folder)

    def delete(self, key: str) -> None:
        """Delete a file. No error if it does not exist."""
        with translate_os_errors():
            self.path(key).unlink(missing_ok=True)

    def iterate_names(self, prefix: str = '', *, after: str = '') -> Iterator[ListedName]:
        """Yield the names of all files with a prefix in sorted order."""
        with translate_os_errors():
            top = self.path(prefix) if prefix else self.root
            yield from walk_folder(top, prefix, tuple(after.split('/')) if after else ())

    def path_for_proxy(self, key: str) -> str | None:
        """Return the key, which is also the path relative to the folder."""
        return check_key(key)

    def path(self, key: str) -> Path:
        """Return the path of a key.

        :raises ValueError: if `key` does not have the form of a key.
        """
        return self.root / check_key(key)

    def is_mounted(self, marker: str) -> bool:
        """Return whether the folder has the marker. This takes one `stat` call."""
        with translate_os_errors():
            return is_file(self.path(marker))

    def check_health(self) -> None:
        """Check that files can be written."""
        self.write_probe()
