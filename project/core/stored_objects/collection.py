"""Garbage collection: deletion of stored objects to which no row refers.

An upload locks the key to which its row will refer. So garbage collection checks whether a key is
locked, and not how old an object is.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from sqlalchemy import BigInteger, String, select, update
from sqlalchemy.orm import Mapped, mapped_column

from project.core.app_values import AppValue
from project.core.checks import CheckResult
from project.core.clock import now
from project.core.database.named_locks import lock_name
from project.core.database.rows import select_row
from project.core.database.session import Base, atomic, db
from project.core.database.types import UTCDateTime
from project.core.database.upsert import upsert
from project.core.errors import ServiceUnavailable
from project.core.storage import ListedName, storage

from .kinds import kind_of, object_kinds

BATCH_OBJECTS = 500
MAX_POSITION_CHARACTERS = 1024
# The time for which the beginning of a pause waits for running deletions. With S3, the deletion of
# an object makes two requests, each of at most 4.5 s (`TRANSACTION_LIMITS`).
MAX_DELETION_SECONDS = 15
DELETION_POLL_SECONDS = 0.05
# Each transaction that deletes an object shares this lock.
DELETION_LOCK = 'deletion of stored objects'

# A function that checks whether the storage belongs to the database. `core.observability` provides
# it.
IDENTIFY_STORAGE: AppValue[Callable[[], CheckResult]] = AppValue('identify_storage')

log = logging.getLogger(__name__)


class StorageCollection(Base):
    """The progress of the garbage collection of the storage. The table has one row."""

    __tablename__ = 'core_storage_collections'

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    # The last examined name. Empty after the garbage collection has examined the whole storage.
    position: Mapped[str] = mapped_column(String(MAX_POSITION_CHARACTERS), default='')
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Set while a backup copies objects. Until this time nothing is deleted, because rows in the
    # backup may refer to objects without a row in the database.
    paused_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    examined: Mapped[int] = mapped_column(BigInteger, default=0)
    collected: Mapped[int] = mapped_column(BigInteger, default=0)
    collected_bytes: Mapped[int] = mapped_column(BigInteger, default=0)


class CollectionState(NamedTuple):
    """The progress of the garbage collection; see `StorageCollection`."""

    started_at: datetime | None
    finished_at: datetime | None
    paused_until: datetime | None
    position: str
    examined: int
    collected: int
    collected_bytes: int


@dataclass(frozen=True, slots=True)
class CollectedObject:
    """A name in the storage to which no row refers.

    :param is_key: whether the name has the form of a key. If not, the service has not created the
        file, and does not delete it.
    """

    name: str
    size: int
    is_key: bool = True


@atomic(checks_caller=False)
def collect_object(key: str, *, dry_run: bool = False) -> bool:
    """Delete the object with a key if no row refers to it; return whether it was deleted.

    An object whose row another transaction is about to commit is not deleted. During a pause, no
    object is deleted.

    :raises ServiceUnavailable: if the storage fails.
    """
    kind = kind_of(key)
    if not dry_run:
        # Lock before the check, so that `pause_collection` waits for this deletion.
        lock_name(DELETION_LOCK, shared=True)
        if pause_end():
            return False
    had_row = bool(
        kind.delete_unused and not dry_run and kind.delete_unused(kind.reference_of(key))
    )
    # Transactions that publish bytes also lock the row before the key. The same order avoids a
    # deadlock.
    if not lock_name(lock_name_of(key), wait=False) or key in kind.find_sizes([key]):
        return False
    is_there = storage().can_open(key, in_transaction=True)
    if is_there and not dry_run:
        # Delete the object while the key is locked. After that, another upload might publish the
        # same bytes.
        storage().delete(key)
    return is_there or had_row


def collect_storage(
    *, deadline: float = float('inf'), dry_run: bool = False
) -> Iterator[CollectedObject]:
    """Delete all objects in the storage to which no row refers; yield each of them.

    Names that are not keys are yielded, too, but not deleted.

    Resumable: if a call is killed, reaches its deadline or is paused, the next call continues after
    the last examined batch.

    :param deadline: the time to stop, by `time.monotonic()`; at least one batch is examined.
    :raises ServiceUnavailable: if the storage does not belong to the database. All its objects
        would have no rows, and would be deleted.
    """
    ensure_own_storage()
    position = '' if dry_run else _begin()
    for prefix in object_kinds():
        if prefix < position.partition('/')[0]:
            continue
        after = position if position.startswith(f'{prefix}/') else ''
        names = storage().iterate_names(prefix, after=after)
        while batch := list(islice(names, BATCH_OBJECTS)):
            collected = list(_collect_batch(batch, dry_run=dry_run))
            yield from collected
            if not dry_run:
                # The pause may have kept objects of this batch.
                if pause_end():
                    return
                _save_progress(batch, collected)
            if time.monotonic() > deadline:
                return
    if not dry_run:
        _finish()


def collection_state() -> CollectionState | None:
    """Return progress and counts of the latest garbage collection; None before the first."""
    table = StorageCollection
    state = select(
        table.started_at, table.finished_at, table.paused_until, table.position, table.examined,
        table.collected, table.collected_bytes,
    )  # fmt: skip
    return select_row(CollectionState, state)


def pause_collection(until: datetime) -> None:
    """Pause garbage collection until a moment, for a backup that copies objects.

    The function returns when no object is being deleted. A moment in the past ends the pause.

    :raises ServiceUnavailable: if the deletion of an object does not end within
        `MAX_DELETION_SECONDS`. The pause has begun all the same.
    """
    _set_pause(until)
    deadline = time.monotonic() + MAX_DELETION_SECONDS
    while _is_deleting():
        if time.monotonic() > deadline:
            raise ServiceUnavailable('an object is still being deleted, so repeat the command')
        time.sleep(DELETION_POLL_SECONDS)


@atomic(checks_caller=False)
def _set_pause(until: datetime) -> None:
    # On SQLite, this waits for running deletions, because they are transactions that write.
    row = {'paused_until': until}
    fresh = {'name': 'storage', 'position': '', 'examined': 0, 'collected': 0, 'collected_bytes': 0}
    db.session.execute(upsert(StorageCollection, {**fresh, **row}, conflict=['name'], change=row))


@atomic(checks_caller=False)
def _is_deleting() -> bool:
    return not lock_name(DELETION_LOCK, wait=False)


def pause_end() -> datetime | None:
    """Return the end of the pause of garbage collection, or None if it is not paused."""
    state = collection_state()
    is_paused = state and state.paused_until and state.paused_until > now()
    return state.paused_until if state and is_paused else None


def lock_name_of(key: str) -> str:
    """Return the name of the lock that publishing and deleting the bytes of a key require."""
    return f'stored object {key}'


def ensure_own_storage() -> None:
    """Ensure that the storage belongs to the database.

    :raises ServiceUnavailable: if it belongs to another database, or fails.
    """
    found = IDENTIFY_STORAGE.get()()
    if found.state != 'ok':
        raise ServiceUnavailable(f'the storage is {found.state}: {found.reason}')


def _collect_batch(batch: Iterable[ListedName], *, dry_run: bool) -> Iterator[CollectedObject]:
    keys = [listed.name for listed in batch if listed.is_key]
    known = kind_of(keys[0]).find_sizes(keys) if keys else {}
    for listed in batch:
        if not listed.is_key or (listed.name not in known and _try(listed.name, dry_run=dry_run)):
            yield CollectedObject(*listed)


def _try(key: str, *, dry_run: bool) -> bool:
    """Call `collect_object`. Only log a failure, so that the following objects are examined."""
    try:
        return collect_object(key, dry_run=dry_run)
    except ServiceUnavailable as error:
        log.warning('%s cannot be removed: %s', key, error.__cause__ or error)
        return False


@atomic(checks_caller=False)
def _begin() -> str:
    """Start a new garbage collection, or continue an interrupted one.

    :returns: the last examined name; empty for a new one.
    """
    state = collection_state()
    if state is not None and state.position:
        return str(state.position)
    row = {
        'started_at': now(), 'position': '', 'examined': 0, 'collected': 0, 'collected_bytes': 0,
    }  # fmt: skip
    db.session.execute(
        upsert(StorageCollection, {'name': 'storage', **row}, conflict=['name'], change=row)
    )
    return ''


@atomic(checks_caller=False)
def _save_progress(batch: list[ListedName], collected: list[CollectedObject]) -> None:
    removed = [item for item in collected if item.is_key]
    keys = [listed.name for listed in batch if listed.is_key]
    # The position may also be a name that is not a key, because a batch may contain only such
    # names.
    passed = [listed.name for listed in batch if _is_storable(listed.name)]
    table = StorageCollection
    db.session.execute(
        update(table).values(
            position=passed[-1] if passed else table.position,
            examined=table.examined + len(keys),
            collected=table.collected + len(removed),
            collected_bytes=table.collected_bytes + sum(item.size for item in removed),
        )
    )


def _is_storable(name: str) -> bool:
    """Return whether a name fits into the column `position`; files may have any name."""
    return name.isprintable() and len(name) <= MAX_POSITION_CHARACTERS


@atomic(checks_caller=False)
def _finish() -> None:
    db.session.execute(update(StorageCollection).values(position='', finished_at=now()))
