"""Sizes of stored objects, by storage and by rows, and deletion of released objects."""

from datetime import timedelta

from sqlalchemy import update

from project.core.clock import now
from project.core.database.session import atomic, db
from project.core.storage import storage
from project.core.stored_objects import collect_released_objects, object_kinds
from project.core.stored_objects.released_objects import ReleasedObject


def collect_released() -> None:
    """Delete the released objects, as if their delay were over."""
    with atomic():
        long_ago = now() - timedelta(hours=1)
        db.session.execute(update(ReleasedObject).values(released_at=long_ago))
    collect_released_objects()


def sizes_in_storage() -> dict[str, int]:
    """Return the size of each object of a registered kind, as the storage lists it."""
    return {
        listed.name: listed.size
        for prefix in object_kinds()
        for listed in storage().iterate_names(prefix)
    }


def sizes_by_rows() -> dict[str, int | None]:
    """Return the size of each object, as the rows that refer to it contain it."""
    return {key: size for kind in object_kinds().values() for key, size in kind.iterate_sizes()}
