"""What every storage does: bytes come in by way of the local disk, and lie under keys then."""

import hashlib
import re
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import copyfileobj
from typing import IO, Any, Protocol, Self
from uuid import uuid4

from .filesystem import make_folder, translate_os_errors

KEY_PATTERN = re.compile(r'[a-z0-9]+(/[a-z0-9]+)*')
READ_CHUNK_BYTES = 1024 * 1024

# The folders of a spool. Nothing in them has a key.
INCOMING_FOLDER, PARTIAL_FOLDER = 'incoming', 'partial'


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


class StagedObject:
    """Bytes on their way in: counted and hashed (SHA-256) as they come, kept under no key yet.

    A block: what is not kept by its end is gone.
    """

    def __init__(self, path: Path, storage: 'Storage') -> None:
        self.size = 0
        self._path = path
        self._storage = storage
        self._digest = hashlib.sha256()
        self._file = path.open('xb', buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.delete_unsaved()

    def write(self, data: bytes | memoryview) -> int:
        """Append bytes; refuses with InsufficientStorage when the disk does."""
        with translate_os_errors():
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

    def prepare(self, key: str) -> None:
        """Make the bytes durable. The slow half of keeping them; do it before a transaction."""
        self._storage.prepare(self._path, key)

    def save(self, key: str) -> None:
        """Put the prepared bytes under the key, over whatever is there, durably."""
        self._storage.save(self._path, key)

    def delete_unsaved(self) -> None:
        """Close, and forget what was not kept, if that is possible: what stays is swept."""
        # A disk that refuses this, too, must not hide what it refused before.
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


class Storage(ABC):
    """Bytes under keys.

    :param spool: a local folder, where bytes lie until they are kept.
    """

    def __init__(self, spool: Path) -> None:
        self.spool = spool

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
        """Return a place for bytes that come in; discard it in the end, as a `with` does."""
        with translate_os_errors():
            make_folder(self.incoming)
            return StagedObject(self.incoming / uuid4().hex, self)

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

    @abstractmethod
    def ensure_durable(self, key: str) -> None:
        """Make durable what is there: who put it may have died before it was."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Forget what is stored under a key; forgetting nothing is fine."""

    @abstractmethod
    def iterate_keys(self, prefix: str = '') -> Iterator[tuple[str, float]]:
        """Yield every key below one, each with when it came to its place (Unix seconds)."""

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
                copyfileobj(stored, copy, READ_CHUNK_BYTES)
            yield copy

    def delete_stale(self, before: float, *, dry_run: bool = False) -> Iterator[str]:
        """Remove what came in, was never kept, and was last touched before a moment (Unix seconds).

        Yields a name of each.
        """
        if not self.incoming.is_dir():
            return
        for path in self.incoming.iterdir():
            # Gone by now: it was kept, or given up, while we looked.
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    if not dry_run:
                        path.unlink()
                    yield path.name


def check_key(key: str) -> str:
    """Return a key, or refuse what is none with ValueError."""
    if not KEY_PATTERN.fullmatch(key):
        raise ValueError(f'not a storage key: {key!r}')
    return key
