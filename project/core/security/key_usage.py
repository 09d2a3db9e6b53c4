"""Registry of the data that depends on `SECRET_KEY`. The modules that own the data register it.

`flask secrets` uses it. Stored values can be encrypted again under the newest key. Other data, such
as signed cursors, cannot: it expires, or becomes invalid when its key is removed.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from project.core.registration import Registry

from .encryption import find_key, reencrypt

NEWEST_KEY = 0
# Results of `rotate` for a stored value: encrypted again (ROTATED), encrypted under the newest key
# already (CURRENT), changed in the meantime and skipped (CHANGED), or encrypted under an unknown
# key (UNKNOWN).
ROTATED, CURRENT, CHANGED, UNKNOWN = 'rotated', 'current', 'changed', 'unknown'


class EncryptedRow(NamedTuple):
    """A stored ciphertext, with the primary key of its row."""

    key: tuple[Any, ...]
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class EncryptedValues:
    """Stored ciphertexts of one kind, which can be encrypted again.

    :param purpose: the purpose that the module passes to `encrypt`.
    :param used_in: the module that encrypts them.
    :param batches: a function that yields all ciphertexts, in batches of some hundred.
    :param effect: the effect on clients if the key is removed before they are encrypted again.
    :param replace: a function that stores new ciphertexts in one transaction, except in rows that
        have changed in the meantime; returns the primary keys of the rows that it updated.
    """

    name: str
    purpose: str
    used_in: str
    effect: str
    batches: Callable[[], Iterator[Sequence[EncryptedRow]]]
    replace: Callable[[Sequence[tuple[EncryptedRow, bytes]]], set[tuple[Any, ...]]]

    def count_by_key(self) -> Counter[int | None]:
        """Count the ciphertexts per secret key: 0 is the newest key, None an unknown one."""
        return Counter(
            find_key(self.purpose, row.ciphertext) for batch in self.batches() for row in batch
        )

    def rotate(self, *, dry_run: bool = False) -> Iterator[str]:
        """Encrypt all values under the newest secret key, and yield the result for each value.

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
    """Data that depends on a secret key and cannot be encrypted again, such as signatures.

    It becomes invalid if its key is removed.

    :param used_in: the module that creates the data.
    :param lifetime: the time until the data expires; None if it never does.
    :param effect: a sentence for operators: the effect on clients if the key is removed earlier.
    """

    name: str
    used_in: str
    lifetime: timedelta | None
    effect: str


_encrypted: Registry[EncryptedValues] = Registry('kind of encrypted values')
_expiring: Registry[ExpiringValues] = Registry('kind of expiring values')


def register_encrypted_values(values: EncryptedValues) -> None:
    """Register a kind of ciphertexts that `flask secrets rotate` must encrypt again.

    :raises RegistrationError: if the name is registered already.
    """
    _encrypted.register(values.name, values, owner=values.used_in)


def register_expiring_values(
    name: str, *, used_in: str, lifetime: timedelta | None, effect: str
) -> None:
    """Register data that becomes invalid if its key is removed.

    :raises RegistrationError: if the name is registered already.
    """
    _expiring.register(name, ExpiringValues(name, used_in, lifetime, effect), owner=used_in)


def encrypted_values() -> list[EncryptedValues]:
    """Return all registered kinds of stored values, sorted by name."""
    return list(_encrypted.values.values())


def expiring_values() -> list[ExpiringValues]:
    """Return all registered kinds of expiring data, sorted by name."""
    return list(_expiring.values.values())


def longest_lifetime() -> timedelta:
    """Return how long an old key must stay a fallback key after all processes have a newer one."""
    lifetimes = [values.lifetime for values in expiring_values() if values.lifetime]
    return max(lifetimes, default=timedelta())
