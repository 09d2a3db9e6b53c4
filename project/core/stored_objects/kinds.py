"""Kinds of stored objects, such as avatars: their key prefix, and the column with their keys."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import func, select

from project.core.database.keyset_pagination import iterate_in_batches
from project.core.database.session import execute_select
from project.core.registration import Registry

_kinds: Registry['ObjectKind'] = Registry('prefix of stored objects')


class StoredTotal(NamedTuple):
    """The number and the bytes of all objects of a kind, according to the database."""

    kind: str
    objects: int
    bytes: int


def _same(value: str) -> str:
    return value


@dataclass(frozen=True, kw_only=True)
class ObjectKind:
    """A kind of stored objects: their keys begin with a prefix, and rows refer to them.

    :param prefix: the first part of the keys, such as `avatars`.
    :param reference: the column that refers to the objects; NULL if a row has no object.
    :param size: the column with the size in bytes.
    :param key_of: a function that returns the key for a value of `reference`; by default the value
        is the key.
    :param reference_of: the inverse function: it returns the value of `reference` for a key.
    :param delete_unused: needed if rows of this kind may exist without being used. A function that
        gets a value of `reference`, deletes its row if the object is unused, and returns whether it
        did. It is called in a transaction.
    """

    prefix: str
    reference: Any
    size: Any
    key_of: Callable[[str], str] = _same
    reference_of: Callable[[str], str] = _same
    delete_unused: Callable[[str], bool] | None = None

    def find_sizes(self, keys: Sequence[str]) -> Mapping[str, int | None]:
        """Return the given keys to which a row refers, each with the size that the row contains."""
        references = {self.reference_of(key): key for key in keys}
        found = select(self.reference, self.size).where(self.reference.in_(references))
        return {
            key: size
            for reference, size in execute_select(found)
            if (key := references[reference]) == self.key_of(reference)
        }

    def iterate_sizes(self) -> Iterator[tuple[str, int | None]]:
        """Yield all keys to which a row refers, with the size in the row."""
        rows = select(self.reference, self.size).where(self.reference.is_not(None))
        for reference, size in iterate_in_batches(rows, self.reference):
            yield self.key_of(reference), size

    def total(self) -> StoredTotal:
        """Return the number and the bytes of all objects of this kind, according to the rows."""
        counted = select(func.count(self.reference), func.sum(self.size))
        objects, size = execute_select(counted).one()
        return StoredTotal(self.prefix, objects, int(size or 0))


def register_object_kind(kind: ObjectKind, *, owner: str) -> None:
    """Register a kind of stored objects.

    :param owner: the module that registers it: `__name__`.
    :raises RegistrationError: if its prefix is registered already.
    """
    _kinds.register(kind.prefix, kind, owner=owner)


def object_kinds() -> Mapping[str, ObjectKind]:
    """Return all kinds of stored objects by prefix, in the order of the prefixes."""
    return _kinds.values


def kind_of(key: str) -> ObjectKind:
    """Return the kind of stored object to which a key belongs.

    :raises KeyError: if its prefix is not registered.
    """
    return _kinds.values[key.partition('/')[0]]
