"""Bytes put into storages, and read."""

from project.core.storage import Storage


def put(place: Storage, key: str, data: bytes) -> None:
    """Keep bytes under a key."""
    with place.create_staged() as staged:
        staged.write(data)
        staged.prepare(key)
        staged.save(key)


def read(place: Storage, key: str) -> bytes:
    """Return what lies under a key."""
    with place.open(key) as stored:
        return stored.read()


def contents(place: Storage) -> dict[str, bytes]:
    """Return what lies under each key."""
    return {listed.name: read(place, listed.name) for listed in place.iterate_names()}
