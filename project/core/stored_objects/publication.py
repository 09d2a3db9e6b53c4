"""Publication: new bytes are stored under a key, in the transaction that writes their row."""

import logging
from functools import partial
from typing import Protocol, Self

from sqlalchemy.exc import SQLAlchemyError

from project.core.database.named_locks import lock_name
from project.core.database.session import after_commit, atomic, before_commit, in_atomic
from project.core.errors import ApiError, ServiceUnavailable
from project.core.storage import storage

from .collection import collect_object, lock_name_of, pause_end
from .released_objects import release_objects

log = logging.getLogger(__name__)


class Source(Protocol):
    """New bytes that have no key yet: a staging file or a completed tus upload."""

    def prepare(self, key: str) -> None:
        """Make the bytes durable."""

    def save(self, key: str) -> None:
        """Store the prepared bytes under a key."""


class Publication:
    """Storing of bytes under a key, which only lasts if the transaction of their row is committed.

    A context manager. The key must be new, or a hash of the bytes, because an existing object is
    not replaced.

    1. `prepare` makes the bytes durable, before the transaction.
    2. `publish` is called in the transaction of the row. The last step of this transaction stores
       the bytes.
    3. The end of the block deletes the bytes, unless the transaction was committed.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        # The key under which bytes were stored before the commit. None after the commit.
        self._uncommitted_key: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def prepare(self, key: str) -> None:
        """Make the bytes durable. This is slow, so call it before the transaction.

        :raises ServiceUnavailable: if the storage fails; InsufficientStorage if it is full.
        """
        if storage().prepares_at_key:
            self._uncommitted_key = key
        self._source.prepare(key)

    def publish(self, key: str) -> None:
        """Register the bytes to be stored at the end of the current transaction.

        The transaction must write the row that refers to the bytes. It is rolled back if the
        storage fails.
        """
        before_commit(partial(self._save, key))
        after_commit(self._mark_committed)

    def close(self) -> None:
        """Delete bytes that were stored although the transaction was not committed.

        Errors are only logged, because garbage collection deletes the bytes later.
        """
        if self._uncommitted_key is None or in_atomic():
            return
        try:
            if not collect_object(self._uncommitted_key) and pause_end():
                # A backup that runs now may contain a row that refers to the same bytes. So delete
                # the bytes after the backup.
                with atomic(checks_caller=False):
                    release_objects([self._uncommitted_key])
        except (ApiError, ServiceUnavailable, SQLAlchemyError) as error:
            log.warning('unreferenced bytes stay until they are collected: %s', error)

    def _save(self, key: str) -> None:
        self._uncommitted_key = key
        # Garbage collection takes the same lock before it deletes an object. So it skips this key
        # until the commit. If it is just deleting the object, this call waits.
        lock_name(lock_name_of(key))
        if storage().exists(key):
            # The object exists. Its writer may have crashed before the object was durable.
            storage().ensure_durable(key)
        else:
            self._source.save(key)

    def _mark_committed(self) -> None:
        self._uncommitted_key = None


class NewObject(Publication):
    """New bytes: they are written to a staging file, and then published. A context manager."""

    def __init__(self) -> None:
        self.staged = storage().create_staged()
        super().__init__(self.staged)

    def write(self, data: bytes | memoryview) -> int:
        """Append bytes.

        :raises InsufficientStorage: if the disk is full, or only the disk reserve is free.
        """
        return self.staged.write(data)

    def flush(self) -> None:
        """Do nothing: bytes are not buffered. `zipfile` calls this method."""

    @property
    def size(self) -> int:
        """Return the number of bytes so far."""
        return self.staged.size

    @property
    def sha256(self) -> str:
        """Return the SHA-256 hash of the bytes so far, in hexadecimal."""
        return self.staged.sha256

    def close(self) -> None:
        """Delete the staging file, and bytes that were stored without a committed row."""
        self.staged.delete_unsaved()
        super().close()


def create_object() -> NewObject:
    """Return a `NewObject`, to which new bytes are written. Use it in a `with` block.

    :raises ServiceUnavailable: if the storage is not mounted; InsufficientStorage if it is full.
    """
    return NewObject()
