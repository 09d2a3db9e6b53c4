"""Sizes of stored objects, according to the storage and according to the database rows."""

from datetime import timedelta

from sqlalchemy import update

from project.core.clock import now
from project.core.database.session import atomic, db
from project.core.storage import storage
from project.core.stored_objects import collect_released_objects, object_kinds
from project.core.stored_objects.released_objects import ReleasedObject


def collect_released() -> None:
    """Delete the released objects now, although their delay is not over."""
    with atomic():
        long_ago = now() - timedelta(hours=1)
        db.session.execute(update(ReleasedObject).values(released_at=long_ago))
    collect_released_objects()


def sizes_in_storage() -> dict[str, int]:
    """Return the size of each stored object of a registered kind, from the storage."""
    return {
        listed.name: listed.size
        for prefix in object_kinds()
        for listed in storage().iterate_names(prefix)
    }


def sizes_by_rows() -> dict[str, int | None]:
    """Return the size of each stored object, from the rows that refer to the objects."""
    return {key: size for kind in object_kinds().values() for key, size in kind.iterate_sizes()}
