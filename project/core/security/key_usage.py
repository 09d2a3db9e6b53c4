"""Registry of the data that depends on `SECRET_KEY`, declared by the modules that own it.

`flask secrets` reads it: stored values are encrypted again under the newest key, other data
expires or becomes void.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from project.core.registration import Registry

from .encryption import find_key, reencrypt

NEWEST_KEY = 0
# How `rotate` found or left a value.
ROTATED, CURRENT, CHANGED, UNKNOWN = 'rotated', 'current', 'changed', 'unknown'


class EncryptedRow(NamedTuple):
    """A stored ciphertext, and the primary key of its row."""

    key: tuple[Any, ...]
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class EncryptedValues:
    """Stored values of one kind, which can be encrypted again.

    :param used_in: the module that encrypts them.
    :param batches: yields all rows, some hundred at a time.
    :param replace: stores a new ciphertext for each row in one transaction, unless the row has
        changed; returns the keys of the rows that it changed.
    """

    name: str
    purpose: str
    used_in: str
    batches: Callable[[], Iterator[Sequence[EncryptedRow]]]
    replace: Callable[[Sequence[tuple[EncryptedRow, bytes]]], set[tuple[Any, ...]]]

    def count_by_key(self) -> Counter[int | None]:
        """Return how many values each key encrypted: 0 is the newest, None an unknown one."""
        return Counter(
            find_key(self.purpose, row.ciphertext) for batch in self.batches() for row in batch
        )

    def rotate(self, *, dry_run: bool = False) -> Iterator[str]:
        """Encrypt all values under the newest key, and yield the result of each.

        Resumable: each batch is a transaction, and values under the newest key are skipped.
        """
        for batch in self.batches():
            keys = [find_key(self.purpose, row.ciphertext) for row in batch]
            yield from (CURRENT for key in keys if key == NEWEST_KEY)
            yield from (UNKNOWN for key in keys if key is None)
            old = [row for row, key in zip(batch, keys, strict=True) if key]
            if dry_run:
                yield from (ROTATED for _ in old)
                continue
            fresh = [(row, reencrypt(self.purpose, row.ciphertext)) for row in old]
            replaced = self.replace(fresh) if fresh else set()
            yield from (ROTATED if row.key in replaced else CHANGED for row in old)


@dataclass(frozen=True, slots=True)
class ExpiringValues:
    """Data that is void without its key and is not encrypted again.

    :param used_in: the module that computes it.
    :param lifetime: the time until it expires by itself; None if it never does.
    :param effect: what a client gets if the key is removed earlier, as a sentence.
    """

    name: str
    used_in: str
    lifetime: timedelta | None
    effect: str


_encrypted: Registry[EncryptedValues] = Registry('kind of encrypted values')
_expiring: Registry[ExpiringValues] = Registry('kind of expiring values')


def register_encrypted_values(values: EncryptedValues) -> None:
    """Declare stored values that `flask secrets rotate` must encrypt again.

    :raises RegistrationError: if the name is registered already.
    """
    _encrypted.register(values.name, values, owner=values.used_in)


def register_expiring_values(
    name: str, *, used_in: str, lifetime: timedelta | None, effect: str
) -> None:
    """Declare data that is void once its key is removed.

    :raises RegistrationError: if the name is registered already.
    """
    _expiring.register(name, ExpiringValues(name, used_in, lifetime, effect), owner=used_in)


def encrypted_values() -> list[EncryptedValues]:
    """Return all declared kinds of stored values, in the order of their names."""
    return list(_encrypted.values.values())


def expiring_values() -> list[ExpiringValues]:
    """Return all declared kinds of data that expires, in the order of their names."""
    return list(_expiring.values.values())


def longest_lifetime() -> timedelta:
    """Return how long a key must stay a fallback after all processes have a newer one."""
    lifetimes = [values.lifetime for values in expiring_values() if values.lifetime]
    return max(lifetimes, default=timedelta())
