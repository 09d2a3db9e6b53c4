"""Released objects: a row that referred to them was deleted. A task deletes their bytes soon."""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import String, delete, select, update
from sqlalchemy.orm import Mapped, mapped_column

from project.core.clock import now
from project.core.database.keyset_pagination import iterate_in_batches
from project.core.database.session import Base, atomic, db
from project.core.database.types import UTCDateTime
from project.core.database.upsert import upsert
from project.core.errors import ServiceUnavailable
from project.core.tasks import task

from .collection import collect_object, ensure_own_storage, pause_end

# A request may have read a key from a row and not opened the object yet. So the object is deleted
# only after this time.
COLLECTION_DELAY = timedelta(minutes=1)
# After this number of consecutive failures, the task ends, because probably the whole storage
# fails.
MAX_FAILURES_IN_A_ROW = 3

log = logging.getLogger(__name__)


class ReleasedObject(Base):
    """The key of an object that was released. Usually no other row refers to the object."""

    __tablename__ = 'core_released_objects'

    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    released_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now, index=True)


def release_objects(keys: Iterable[str]) -> None:
    """Mark objects for deletion, in the caller's transaction.

    A task deletes them after `COLLECTION_DELAY`, unless a row refers to them at that time.
    """
    moment = {'released_at': now()}
    # Sorted, so that two transactions that release the same keys do not deadlock.
    if rows := [{'key': key, **moment} for key in sorted(set(keys))]:
        statement = upsert(ReleasedObject, rows[0], conflict=['key'], change=moment)
        db.session.execute(statement, rows)


@task(
    idempotent='concurrent runs delete each object once',
    every=timedelta(minutes=1),
    time_limit=timedelta(minutes=10),
)
def collect_released_objects() -> None:
    """Delete the bytes of released objects, unless a row refers to them.

    If an object cannot be deleted, a later run tries it again, after the other objects.

    :raises ServiceUnavailable: if objects could not be deleted.
    """
    ensure_own_storage()
    before = now() - COLLECTION_DELAY
    due = select(ReleasedObject.released_at, ReleasedObject.key)
    due = due.where(ReleasedObject.released_at < before)
    failed = in_a_row = 0
    for released_at, key in iterate_in_batches(due, ReleasedObject.released_at, ReleasedObject.key):
        if pause_end():
            return
        is_done = _collect(key, released_at)
        failed, in_a_row = failed + (not is_done), 0 if is_done else in_a_row + 1
        if in_a_row == MAX_FAILURES_IN_A_ROW:
            break
    if failed:
        raise ServiceUnavailable(f'{failed} released objects could not be removed')


def _collect(key: str, released_at: datetime) -> bool:
    try:
        is_deleted = collect_object(key)
    except (ServiceUnavailable, KeyError) as error:
        # KeyError means that the feature that registered the prefix was removed from the code.
        log.warning('%s cannot be removed: %r', key, error.__cause__ or error)
        _postpone(key)
        return False
    # If a pause has just begun, the object was kept, so the row must stay.
    if is_deleted or not pause_end():
        _delete_row(key, released_at)
    return True


@atomic()
def _delete_row(key: str, released_at: datetime) -> None:
    # Delete the row only if its time is unchanged: the key may have been released again in the
    # meantime.
    this = (ReleasedObject.key == key) & (ReleasedObject.released_at == released_at)
    db.session.execute(delete(ReleasedObject).where(this))


@atomic()
def _postpone(key: str) -> None:
    later = update(ReleasedObject).where(ReleasedObject.key == key)
    db.session.execute(later.values(released_at=now()))
