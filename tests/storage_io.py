"""Functions that write and read objects of a storage."""

from project.core.storage import Storage


def put(place: Storage, key: str, data: bytes) -> None:
    """Store bytes as an object under a key."""
    with place.create_staged() as staged:
        staged.write(data)
        staged.prepare(key)
        staged.save(key)


def read(place: Storage, key: str) -> bytes:
    """Return the bytes of an object."""
    with place.open(key) as stored:
        return stored.read()


def contents(place: Storage) -> dict[str, bytes]:
    """Return the bytes of all objects by key."""
    return {listed.name: read(place, listed.name) for listed in place.iterate_names()}
