"""The marker: an empty object that identifies a storage.

Its key contains an id that is stored in the database. If a volume is not mounted, its folder is
empty and has no marker. A wrong bucket has another marker, or none.
"""

from collections.abc import Callable

from project.core.registration import Registry

from .base import Storage
from .staging import StagedObject

MARKER_PREFIX = 'marker'
# The name of the value in the database that contains the id.
ID_NAME = 'storage_marker'

# Functions that return up to ten keys of objects that must be in the storage, by name.
storage_samples: Registry[Callable[[], list[str]]] = Registry('storage sample')


def register_storage_sample(name: str, find_keys: Callable[[], list[str]], *, owner: str) -> None:
    """Register a function that returns keys of objects which must be in the storage.

    It is needed while the storage has no marker. Then only objects with rows in the database
    distinguish the right storage from an empty folder.

    :param find_keys: a function that returns up to ten keys of objects that were stored long ago.
    :param owner: the module that registers it: `__name__`.
    :raises RegistrationError: if the name is registered already.
    """
    storage_samples.register(name, find_keys, owner=owner)


def marker_key(marker_id: str) -> str:
    """Return the key of the marker that contains the given id (hexadecimal)."""
    return f'{MARKER_PREFIX}/{marker_id}'


def put_marker(place: Storage, key: str) -> None:
    """Store a marker durably. Idempotent, even if two processes call it concurrently."""
    # Do not use `create_staged`: it requires that the storage already has a marker.
    with StagedObject(place, keeps_reserve=False) as staged:
        staged.prepare(key)
        staged.save(key)


def has_other_marker(place: Storage, key: str) -> bool:
    """Return whether a storage has a marker other than this one."""
    return any(found.name != key for found in place.iterate_names(MARKER_PREFIX))
