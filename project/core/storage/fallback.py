"""Two storages while bytes move from one to the other: a successor, and the one before it."""

from collections.abc import Iterator
from heapq import merge
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from project.core.errors import ServiceUnavailable

from .base import Storage, StoredObject
from .listing import ListedName


class FallbackStorage(Storage):
    """What comes goes to the new storage; what it does not have yet is read from the old one."""

    def __init__(self, new: Storage, old: Storage) -> None:
        super().__init__(new.spool)
        self.new, self.old = new, old
        self.prepares_at_key = new.prepares_at_key

    @property
    def partial_folders(self) -> list[Path]:
        """Return the folders of both: what is under way goes on."""
        if self.old.spool == self.new.spool:
            return [self.partial_folder]
        return [self.partial_folder, self.old.partial_folder]

    def prepare(self, path: Path, key: str) -> None:
        """Make a file durable in the new one."""
        self.new.prepare(path, key)

    def save(self, path: Path, key: str, *, stays: bool = False) -> None:
        """Put a file into the new one."""
        self.new.save(path, key, stays=stays)

    def open(self, key: str) -> StoredObject:
        """Open what either has; refuses with ServiceUnavailable when neither does."""
        try:
            return self.new.open(key)
        except ServiceUnavailable:
            return self.old.open(key)

    def size(self, key: str) -> int | None:
        """Return the size of what the new one has: what is to be kept must be there."""
        return self.new.size(key)

    def can_open(self, key: str, *, in_transaction: bool = False) -> bool:
        """Return whether either has an object under a key."""
        return any(
            part.can_open(key, in_transaction=in_transaction) for part in (self.new, self.old)
        )

    def ensure_durable(self, key: str) -> None:
        """Make durable what the new one has."""
        self.new.ensure_durable(key)

    def delete(self, key: str) -> None:
        """Forget it in both."""
        self.old.delete(key)
        self.new.delete(key)

    def iterate_names(self, prefix: str = '', *, after: str = '') -> Iterator[ListedName]:
        """Yield the names of both in one order, each once."""
        names = merge(
            self.new.iterate_names(prefix, after=after),
            self.old.iterate_names(prefix, after=after),
            key=attrgetter('name'),
        )
        for _, same in groupby(names, attrgetter('name')):
            yield next(same)

    def is_mounted(self, marker: str) -> bool:
        """Return whether the new one has its marker: what comes goes there."""
        return self.new.is_mounted(marker)

    def has_marker(self, marker: str) -> bool:
        """Return whether the new one has the marker, or raise within seconds."""
        return self.new.has_marker(marker)

    def check_health(self) -> None:
        """Refuse with ServiceUnavailable when the new one does."""
        self.new.check_health()

    def presigned_url(self, key: str, *, mimetype: str, disposition: str) -> str | None:
        """Return an address in the new one, if it has the key."""
        if not self.new.exists(key):
            return None
        return self.new.presigned_url(key, mimetype=mimetype, disposition=disposition)

    def path_for_proxy(self, key: str) -> str | None:
        """Return where it is in the new one, if it is there."""
        return self.new.path_for_proxy(key) if self.new.exists(key) else None

    def delete_abandoned(self, *, dry_run: bool = False) -> Iterator[ListedName]:
        """Delete what was staged for either and is abandoned."""
        yield from self.new.delete_abandoned(dry_run=dry_run)
        if self.old.spool != self.new.spool:
            yield from self.old.delete_abandoned(dry_run=dry_run)
