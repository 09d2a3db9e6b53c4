"""The interface of storages.

Bytes are first written to a staging file on the local disk, and then stored under a key.
"""

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfileobj
from typing import IO

from project.core.errors import ServiceUnavailable

from .disk_reserve import DiskReserve
from .filesystem import make_folder, translate_os_errors
from .listing import INCOMING_FOLDER, PARTIAL_FOLDER, ListedName
from .object_interface import StoredObject
from .staging import StagedObject, delete_abandoned

READ_CHUNK_BYTES = 1024 * 1024

# A health check writes as many bytes as a small upload has.
HEALTH_PROBE = bytes(64 * 1024)


class Storage(ABC):
    """An object storage: it stores bytes under keys.

    All methods raise ServiceUnavailable if the storage fails, or InsufficientStorage if it is full.

    :param spool: the local folder of staging files.
    """

    #: Whether `prepare` already stores the object under its key. If not, only `save` does.
    prepares_at_key = False
    #: The key of the marker object that identifies this storage; None until it is found.
    marker: str | None = None
    #: A function that returns the key of the marker, or None if the storage has no marker yet.
    find_marker: Callable[[], str | None] | None = None

    def __init__(self, spool: Path) -> None:
        self.spool = spool
        #: The disk space that uploads must leave free. `init_app` sets it.
        self.reserve = DiskReserve(0)

    @property
    def incoming(self) -> Path:
        """Return the folder of staging files."""
        return self.spool / INCOMING_FOLDER

    @property
    def partial_folder(self) -> Path:
        """Return the folder of partial uploads, which arrive in several requests."""
        return self.spool / PARTIAL_FOLDER

    @property
    def partial_folders(self) -> list[Path]:
        """Return the folders of partial uploads: during a move, also that of the old storage."""
        return [self.partial_folder]

    def create_staged(self) -> StagedObject:
        """Return a new staging file. A `with` block deletes it, unless it was saved.

        :raises ServiceUnavailable: if the storage is not mounted.
        :raises InsufficientStorage: if the disk is full.
        """
        self.ensure_mounted()
        return StagedObject(self)

    def write_probe(self) -> None:
        """Write and delete a test file, even if less disk space is free than the reserve.

        :raises ServiceUnavailable: if that fails.
        """
        with StagedObject(self, keeps_reserve=False) as staged:
            staged.write(HEALTH_PROBE)

    def ensure_mounted(self) -> None:
        """Ensure that the volume of the storage is mounted. Call it before a write to its folder.

        :raises ServiceUnavailable: if the storage no longer has its marker.
        """
        if self.marker is None and self.find_marker is not None:
            self.marker = self.find_marker()
        if self.marker is not None and not self.is_mounted(self.marker):
            raise ServiceUnavailable(f'the storage has no object {self.marker}: is it mounted?')

    def is_mounted(self, marker: str) -> bool:
        """Return whether the local folder contains the marker. Fast: no network is used."""
        return True

    def has_marker(self, marker: str) -> bool:
        """Return whether the storage contains the marker; raise an error if it takes too long."""
        return self.exists(marker)

    @abstractmethod
    def prepare(self, path: Path, key: str) -> None:
        """Make the bytes of a staging file durable, so that `save` takes little time."""

    @abstractmethod
    def save(self, path: Path, key: str, *, stays: bool = False) -> None:
        """Store a prepared file durably under a key, and replace an existing object.

        :param stays: whether the staging file stays at its path; otherwise it may be moved.
        """

    @abstractmethod
    def open(self, key: str) -> StoredObject:
        """Open the object of a key for reading.

        :raises ServiceUnavailable: if it does not exist.
        """

    @abstractmethod
    def size(self, key: str) -> int | None:
        """Return the size of an object in bytes, or None if it does not exist."""

    def exists(self, key: str) -> bool:
        """Return whether an object exists."""
        return self.size(key) is not None

    def can_open(self, key: str, *, in_transaction: bool = False) -> bool:
        """Return whether `open` would find an object under a key.

        :param in_transaction: whether the caller has locked rows. If so, the method raises an error
            soon if the storage is slow.
        """
        return self.exists(key)

    @abstractmethod
    def ensure_durable(self, key: str) -> None:
        """Make an existing object durable, because its writer may have crashed before doing so."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete an object. No error if it does not exist."""

    @abstractmethod
    def iterate_names(self, prefix: str = '', *, after: str = '') -> Iterator[ListedName]:
        """Yield all names in the storage with a prefix, sorted, even those that are not valid keys.

        :param prefix: the first parts of the names, without the last slash.
        :param after: the last name of an earlier, incomplete call; this call continues after it.
        """

    @abstractmethod
    def check_health(self) -> None:
        """Check that the storage accepts writes."""

    def server_time(self) -> float:
        """Return the time of the clock that the storage has now, in seconds since 1970.

        For a folder, it is the clock of the file system: that of the server, if the folder is on
        another machine.
        """
        with StagedObject(self, keeps_reserve=False) as staged:
            staged.write(b'\0')
            return staged.modified_at

    def presigned_url(self, key: str, *, mimetype: str, disposition: str) -> str | None:
        """Return a URL of an object that is valid for 60 s without a login; None if unsupported."""
        return None

    def path_for_proxy(self, key: str) -> str | None:
        """Return the path of an object for a proxy that reads the files; None if unsupported.

        The path is relative to the folder of the storage.
        """
        return None

    @contextmanager
    def as_local_file(self, key: str) -> Iterator[IO[bytes]]:
        """Provide an object as a file of the operating system, for libraries and processes."""
        with translate_os_errors():
            make_folder(self.incoming)
            copy = tempfile.TemporaryFile(dir=self.incoming)  # noqa: SIM115
        with copy:
            with self.open(key) as stored, translate_os_errors():
                self.reserve.ensure(stored.size)
                copyfileobj(stored, copy, READ_CHUNK_BYTES)
            yield copy

    def delete_abandoned(self, *, dry_run: bool = False) -> Iterator[ListedName]:
        """Delete staging files whose process has ended, and yield their names.

        Names that this service cannot have created are yielded, too, but not deleted.
        """
        yield from delete_abandoned(self.incoming, dry_run=dry_run)
