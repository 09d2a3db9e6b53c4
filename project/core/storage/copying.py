"""Moving: everything of one storage into another, read back there before it counts."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from project.core.errors import Unavailable

from .base import BLOCK, Storage


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of a key: `moved`, `there` already, or `failed`."""

    key: str
    outcome: str
    size: int = 0


def move(source: Storage, target: Storage) -> Iterator[Moved]:
    """Copy what one storage has, and another does not, and yield each key with what became of it.

    The source stays as it is, and both may be in use meanwhile: what is removed before its turn is
    passed over. Begun again, it goes on: an object has its key only when it is whole.
    """
    for key, _ in source.walk():
        try:
            yield _move_one(source, target, key)
        except Unavailable:
            if source.exists(key):
                yield Moved(key, 'failed')


def _move_one(source: Storage, target: Storage, key: str) -> Moved:
    with source.open(key) as stored:
        if target.size(key) == stored.size:
            return Moved(key, 'there', stored.size)
        with target.stage() as staged:
            while block := stored.read(BLOCK):
                staged.write(block)
            staged.prepare(key)
            staged.keep(key)
            is_same = staged.sha256 == _hash_of(target, key)
    if not is_same:
        target.remove(key)
    return Moved(key, 'moved' if is_same else 'failed', stored.size)


def _hash_of(place: Storage, key: str) -> str:
    digest = hashlib.sha256()
    with place.open(key) as stored:
        while block := stored.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
