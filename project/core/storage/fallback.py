"""Storage during a move: new objects go to a new storage; the old one is still read."""

from collections.abc import Iterator
from heapq import merge
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from project.core.errors import ServiceUnavailable

from .base import Storage
from .listing import ListedName
from .object_interface import StoredObject


class FallbackStorage(Storage):
    """A storage that writes to a new storage.

    It reads objects that are not copied yet from the old storage.

    :param new: the storage that gets new objects.
    :param old: the storage with the objects that are not copied yet.
    """

    def __init__(self, new: Storage, old: Storage) -> None:
        super().__init__(new.spool)
        self.new, self.old = new, old
        self.prepares_at_key = new.prepares_at_key

    @property
    def partial_folders(self) -> list[Path]:
        """Return the folders of both storages, so that partial uploads can continue."""
        if self.old.spool == self.new.spool:
            return [self.partial_folder]
        return [self.partial_folder, self.old.partial_folder]

    def prepare(self, path: Path, key: str) -> None:
        """Make a staging file durable in the new storage."""
        self.new.prepare(path, key)

    def save(self, path: Path, key: str, *, stays: bool = False) -> None:
        """Store a prepared file in the new storage."""
        self.new.save(path, key, stays=stays)

    def open(self, key: str) -> StoredObject:
        """Open an object of the new storage, or else of the old one.

        :raises ServiceUnavailable: if neither has the object.
        """
        try:
            return self.new.open(key)
        except ServiceUnavailable:
            return self.old.open(key)

    def size(self, key: str) -> int | None:
        """Return the size of an object in the new storage, or None if it is not there.

        The old storage does not count. So if bytes that only the old storage has are uploaded
        again, they are stored in the new one.
        """
        return self.new.size(key)

    def can_open(self, key: str, *, in_transaction: bool = False) -> bool:
        """Return whether the new or the old storage has an object under a key."""
        return any(
            part.can_open(key, in_transaction=in_transaction) for part in (self.new, self.old)
        )

    def ensure_durable(self, key: str) -> None:
        """Make an object of the new storage durable."""
        self.new.ensure_durable(key)

    def delete(self, key: str) -> None:
        """Delete an object in both storages."""
        self.old.delete(key)
        self.new.delete(key)

    def iterate_names(self, prefix: str = '', *, after: str = '') -> Iterator[ListedName]:
        """Yield the names of both storages in sorted order, each once."""
        names = merge(
            self.new.iterate_names(prefix, after=after),
            self.old.iterate_names(prefix, after=after),
            key=attrgetter('name'),
        )
        for _, same in groupby(names, attrgetter('name')):
            yield next(same)

    def is_mounted(self, marker: str) -> bool:
        """Return whether the new storage, to which all writes go, is mounted."""
        return self.new.is_mounted(marker)

    def has_marker(self, marker: str) -> bool:
        """Return whether the new storage has the marker; raise if it takes too long."""
        return self.new.has_marker(marker)

    def check_health(self) -> None:
        """Check that bytes can be stored in the new storage."""
        self.new.check_health()

    def server_time(self) -> float:
        """Return the time of the clock of the new storage."""
        return self.new.server_time()

    def presigned_url(self, key: str, *, mimetype: str, disposition: str) -> str | None:
        """Return a URL of the new storage, or None if it does not have the object."""
        if not self.new.exists(key):
            return None
        return self.new.presigned_url(key, mimetype=mimetype, disposition=disposition)

    def path_for_proxy(self, key: str) -> str | None:
        """Return the path in the new storage, or None if it does not have the object."""
        return self.new.path_for_proxy(key) if self.new.exists(key) else None

    def delete_abandoned(self, *, dry_run: bool = False) -> Iterator[ListedName]:
        """Delete the abandoned staging files of both storages, and yield their names."""
        yield from self.new.delete_abandoned(dry_run=dry_run)
        if self.old.spool != self.new.spool:
            yield from self.old.delete_abandoned(dry_run=dry_run)
