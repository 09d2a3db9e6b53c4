"""The disk reserve: space that uploads must leave free, so that small operations do not fail."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from project.core.errors import InsufficientStorage

from .filesystem import is_folder

DEFAULT_MIN_FREE_BYTES = 256 * 1024 * 1024
DEFAULT_MIN_FREE_PART = 0.02
# The number of inodes (files) that must stay free: this part of all inodes of the disk, but not
# more than the maximum.
MIN_FREE_INODES_PART, MAX_MIN_FREE_INODES = 0.02, 10_000


class FreeSpace(NamedTuple):
    """The free bytes and inodes of a disk, and the numbers that must stay free."""

    bytes: int
    inodes: int
    min_bytes: int
    min_inodes: int


class DiskReserve:
    """The bytes and inodes that must stay free on the disks of some folders (`STORAGE_MIN_FREE`).

    :param min_free: in bytes; None for the larger of 256 MB and 2 % of each disk, 0 for no limit.
    """

    def __init__(self, min_free: int | None, folders: Sequence[Path] = ()) -> None:
        self.min_free = min_free
        self.folders = folders

    def ensure(self, size: int = 0) -> None:
        """Ensure that a write of `size` more bytes leaves the reserve free on each disk.

        :raises InsufficientStorage: if it does not.
        """
        if self.min_free != 0 and (folder := self.find_full(size)):
            raise InsufficientStorage(f'less than the reserve is free in {folder}')

    def find_full(self, size: int = 0) -> Path | None:
        """Return a folder on whose disk a write of `size` bytes would use the reserve, or None."""
        if self.min_free == 0:
            return None
        return next((folder for folder in self.folders if self._is_full(folder, size)), None)

    def measure(self, folder: Path) -> FreeSpace:
        """Return the free space on the disk of a folder, and the reserve of this disk."""
        disk = os.statvfs(_existing(folder))
        min_free = self.min_free
        if min_free is None:
            whole = disk.f_blocks * disk.f_frsize
            min_free = max(DEFAULT_MIN_FREE_BYTES, int(whole * DEFAULT_MIN_FREE_PART))
        # Some file systems do not count inodes, and report 0.
        min_inodes = min(MAX_MIN_FREE_INODES, int(disk.f_files * MIN_FREE_INODES_PART))
        if self.min_free == 0:
            min_inodes = 0
        return FreeSpace(disk.f_bavail * disk.f_frsize, disk.f_favail, min_free, min_inodes)

    def _is_full(self, folder: Path, size: int) -> bool:
        free = self.measure(folder)
        return free.bytes - size < free.min_bytes or free.inodes < free.min_inodes


def _existing(folder: Path) -> Path:
    return next((path for path in (folder, *folder.parents) if is_folder(path)), Path('/'))
