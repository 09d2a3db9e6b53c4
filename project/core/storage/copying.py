"""Moving: everything of one storage into another, read back there before it counts."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from project.core.errors import ServiceUnavailable

from .base import READ_CHUNK_BYTES, Storage


@dataclass(frozen=True, slots=True)
class CopyResult:
    """What became of a key: `moved`, `there` already, or `failed`."""

    key: str
    outcome: str
    size: int = 0


def copy_all(source: Storage, target: Storage) -> Iterator[CopyResult]:
    """Copy what one storage has, and another does not, and yield each key with what became of it.

    The source stays as it is, and both may be in use meanwhile: what is removed before its turn is
    passed over. Begun again, it goes on: an object has its key only when it is whole.
    """
    for key in (listed.name for listed in source.iterate_names() if listed.is_key):
        try:
            yield _copy_object(source, target, key)
        except ServiceUnavailable:
            if source.exists(key):
                yield CopyResult(key, 'failed')


def _copy_object(source: Storage, target: Storage, key: str) -> CopyResult:
    with source.open(key) as stored:
        if target.size(key) == stored.size:
            return CopyResult(key, 'there', stored.size)
        with target.create_staged() as staged:
            while block := stored.read(READ_CHUNK_BYTES):
                staged.write(block)
            staged.prepare(key)
            staged.save(key)
            is_same = staged.sha256 == _hash_of(target, key)
    if not is_same:
        target.delete(key)
    return CopyResult(key, 'moved' if is_same else 'failed', stored.size)


def _hash_of(place: Storage, key: str) -> str:
    digest = hashlib.sha256()
    with place.open(key) as stored:
        while block := stored.read(READ_CHUNK_BYTES):
            digest.update(block)
    return digest.hexdigest()
