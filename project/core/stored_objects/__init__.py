"""Stored objects: the storage has an object if and only if a committed row refers to it.

A feature registers each kind of object, with the column that refers to it. New bytes are published:
the last step of the transaction that writes the row stores them under their key. After an error or
a crash, `Publication.close` or garbage collection deletes bytes without a row (docs/adr/0034).
"""

from .collection import (
    CollectedObject,
    collect_object,
    collect_storage,
    collection_state,
    ensure_own_storage,
    pause_collection,
    pause_end,
)
from .kinds import ObjectKind, StoredTotal, object_kinds, register_object_kind
from .publication import NewObject, Publication, create_object
from .released_objects import collect_released_objects, release_objects

__all__ = [
    'CollectedObject',
    'NewObject',
    'ObjectKind',
    'Publication',
    'StoredTotal',
    'collect_object',
    'collect_released_objects',
    'collect_storage',
    'collection_state',
    'create_object',
    'ensure_own_storage',
    'object_kinds',
    'pause_collection',
    'pause_end',
    'register_object_kind',
    'release_objects',
]
