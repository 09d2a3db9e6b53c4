"""Copying of all objects to another storage. Each copy is read back and compared."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from project.core.errors import ServiceUnavailable

from .base import READ_CHUNK_BYTES, Storage


@dataclass(frozen=True, slots=True)
class CopyResult:
    """The result for one object: `moved`, `there` (the target had it already) or `failed`."""

    key: str
    outcome: str
    size: int = 0


def copy_all(source: Storage, target: Storage) -> Iterator[CopyResult]:
    """Copy the objects that the target does not have, and yield the result of each.

    The source is not changed. Both storages may be in use: objects that are deleted in the meantime
    are skipped. Resumable: a new call skips the objects that were copied before.
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
