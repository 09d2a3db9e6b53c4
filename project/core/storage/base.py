"""The interface of storages: bytes are staged on the local disk, and then stored under keys."""

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfileobj
from typing import IO, Any, Protocol, Self

from project.core.errors import ServiceUnavailable

from .disk_reserve import DiskReserve
from .filesystem import make_folder, translate_os_errors
from .listing import INCOMING_FOLDER, PARTIAL_FOLDER, ListedName
from .staging import StagedObject, delete_abandoned

READ_CHUNK_BYTES = 1024 * 1024

# A check of the disk writes as much as a small upload.
HEALTH_PROBE = bytes(64 * 1024)


class StoredObject(Protocol):
    """What lies under a key, open for reading. On the local disk it is a file of the system's."""

    key: str
    size: int

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes; none at the end."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a byte."""

    def fileno(self) -> int:
        """Return the system's number of it, or refuse with OSError where it has none."""

    def close(self) -> None:
        """Be done with it."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: Any) -> None: ...


class Storage(ABC):
    """Bytes under keys.

    :param spool: a local folder, where bytes lie until they are kept.
    """

    #: Whether `prepare` stores bytes under their key already, where nothing refers to them yet.
    prepares_at_key = False
    #: The key of the object by which this storage is recognized, once it is known to have one.
    marker: str | None = None
    #: Returns that key, or None if there is none yet.
    find_marker: Callable[[], str | None] | None = None

    def __init__(self, spool: Path) -> None:
        self.spool = spool
        #: How much of the disk stays free. `init_app` sets it.
        self.reserve = DiskReserve(0)

    @property
    def incoming(self) -> Path:
        """Return the folder of what comes in."""
        return self.spool / INCOMING_FOLDER

    @property
    def partial_folder(self) -> Path:
        """Return the folder of what comes in pieces, over many requests."""
        return self.spool / PARTIAL_FOLDER

    @property
    def partial_folders(self) -> list[Path]:
        """Return that folder, and those that were it before."""
        return [self.partial_folder]

    def create_staged(self) -> StagedObject:
        """Return a file for new bytes. Use it in a `with` block, which deletes it if it is unsaved.

        :raises ServiceUnavailable: if the storage is not mounted.
        :raises InsufficientStorage: if the disk is full.
        """
        self.ensure_mounted()
        return StagedObject(self)

    def write_probe(self) -> None:
        """Write and delete a file, also below the reserve of the disk.

        :raises ServiceUnavailable: if that fails.
        """
        with StagedObject(self, keeps_reserve=False) as staged:
            staged.write(HEALTH_PROBE)

    def ensure_mounted(self) -> None:
        """Reject writes to the folder under a volume that is not mounted.

        :raises ServiceUnavailable: if the storage has lost its marker.
        """
        if self.marker is None and self.find_marker is not None:
            self.marker = self.find_marker()
        if self.marker is not None and not self.is_mounted(self.marker):
            raise ServiceUnavailable(f'the storage has no object {self.marker}: is it mounted?')

    def is_mounted(self, marker: str) -> bool:
        """Return whether the local folder is the one that has the marker; cheap."""
        return True

    def has_marker(self, marker: str) -> bool:
        """Return whether the storage has the marker, or raise within seconds."""
        return self.exists(marker)

    @abstractmethod
    def prepare(self, path: Path, key: str) -> None:
        """Make a file durable, as near to a key as can be: the slow half of keeping it."""

    @abstractmethod
    def save(self, path: Path, key: str, *, stays: bool = False) -> None:
        """Put a prepared file under a key, over whatever is there, durably.

        :param stays: whether the file is still wanted where it is.
        """

    @abstractmethod
    def open(self, key: str) -> StoredObject:
        """Open what is stored under a key; refuses with ServiceUnavailable when it is missing."""

    @abstractmethod
    def size(self, key: str) -> int | None:
        """Return how many bytes are stored under a key; None where nothing is."""

    def exists(self, key: str) -> bool:
        """Tell whether something is stored under a key."""
        return self.size(key) is not None

    def can_open(self, key: str, *, in_transaction: bool = False) -> bool:
        """Return whether `open` would find an object under a key.

        :param in_transaction: whether locks are held, so that a slow storage is an error soon.
        """
        return self.exists(key)

    @abstractmethod
    def ensure_durable(self, key: str) -> None:
        """Make durable what is there: who put it may have died before it was."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Forget what is stored under a key; forgetting nothing is fine."""

    @abstractmethod
    def iterate_names(self, prefix: str = '', *, after: str = '') -> Iterator[ListedName]:
        """Yield the names below a key in their order, also those that are no keys.

        :param after: the name after which to begin, of an earlier call that was not finished.
        """

    @abstractmethod
    def check_health(self) -> None:
        """Refuse with ServiceUnavailable when nothing can be stored."""

    def presigned_url(self, key: str, *, mimetype: str, disposition: str) -> str | None:
        """Return an address that gives what is stored to everybody for a minute, if it has one."""
        return None

    def path_for_proxy(self, key: str) -> str | None:
        """Return where a proxy finds it below the folder that both see, if there is one."""
        return None

    @contextmanager
    def as_local_file(self, key: str) -> Iterator[IO[bytes]]:
        """Give what is stored as a file of the system's, for whoever reads nothing else."""
        with translate_os_errors():
            make_folder(self.incoming)
            copy = tempfile.TemporaryFile(dir=self.incoming)  # noqa: SIM115
        with copy:
            with self.open(key) as stored, translate_os_errors():
                self.reserve.ensure(stored.size)
                copyfileobj(stored, copy, READ_CHUNK_BYTES)
            yield copy

    def delete_abandoned(self, *, dry_run: bool = False) -> Iterator[ListedName]:
        """Delete staged bytes whose process has ended without saving them; yield each name.

        Names that no process of ours can have given are yielded as well, and left alone.
        """
        yield from delete_abandoned(self.incoming, dry_run=dry_run)
