"""Released objects: objects whose row is gone, and whose bytes are removed a little later."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import String, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from project.core.clock import now
from project.core.database.keyset_pagination import iterate_in_batches
from project.core.database.session import Base, atomic, db
from project.core.database.types import UTCDateTime
from project.core.database.upsert import insert_or_ignore
from project.core.tasks import task

from .collection import collect_object, pause_end

# A request that has read a key from a row opens the object within this time.
COLLECTION_DELAY = timedelta(minutes=1)


class ReleasedObject(Base):
    """The key of an object that may have no row any more."""

    __tablename__ = 'core_released_objects'

    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    released_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now, index=True)


def release_objects(keys: Iterable[str]) -> None:
    """Have objects removed soon, unless a row still refers to them. In the caller's transaction."""
    # In one order, so that two transactions which release the same keys do not deadlock.
    if rows := [{'key': key} for key in sorted(set(keys))]:
        db.session.execute(insert_or_ignore(ReleasedObject), rows)


@task(every=timedelta(minutes=1), time_limit=timedelta(minutes=10))
def collect_released_objects() -> None:
    """Remove the bytes of released objects. Run twice, also at once, it removes each once."""
    if pause_end():
        return
    before = now() - COLLECTION_DELAY
    due = select(ReleasedObject.released_at, ReleasedObject.key)
    due = due.where(ReleasedObject.released_at < before)
    for row in iterate_in_batches(due, ReleasedObject.released_at, ReleasedObject.key):
        collect_object(row.key)
        _delete_row(row.key)


@atomic()
def _delete_row(key: str) -> None:
    db.session.execute(delete(ReleasedObject).where(ReleasedObject.key == key))
