"""Garbage collection of `files`: deletion of expired rows, and of bytes without a row."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from uuid import UUID

from flask import current_app
from sqlalchemy import and_, delete, or_, select

from project.core.clock import now
from project.core.database.keyset_pagination import iterate_in_batches
from project.core.database.session import atomic, db, execute_select, locks_user
from project.core.storage import ListedName, storage
from project.core.stored_objects import (
    collect_object,
    collect_storage,
    collection_state,
    ensure_own_storage,
    object_kinds,
    pause_collection,
    pause_end,
)
from project.core.tasks import enqueue_at, task
from project.files import blobs, partial_uploads
from project.files.models import Blob, File, Link, Upload, Version
from project.files.rows import StorageStats

from ..files import delete_files

# An expired link stays in lists for this time, so that its owner sees why it stopped working.
EXPIRED_LINK_RETENTION = timedelta(days=30)
# Time limit of one run of the nightly task. The next run continues where it stopped.
NIGHTLY_BUDGET_SECONDS = 10 * 60
CONTINUATION_DELAY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class CollectedItem:
    """An item that was deleted, or that a dry run would delete.

    :param kind: `trash` (a file), `links` (a share link), `bytes` (a stored object), `incoming` (a
        staging file of an ended process); `unknown`: an unknown name in the storage, not deleted.
    :param size: in bytes; 0 if it is unknown.
    """

    kind: str
    name: str
    size: int = 0


def collect_garbage(
    *, budget: float = float('inf'), dry_run: bool = False
) -> Iterator[CollectedItem]:
    """Delete expired trash and links, and stored objects without a row; yield each item.

    Two runs at the same time are safe, and so are uploads of the same bytes during a run. If a run
    did not finish, the next one continues it.

    :param budget: seconds after which the run stops.
    """
    deadline = time.monotonic() + budget
    for step in (
        _delete_expired_trash,
        _delete_expired_links,
        _delete_unused_blobs,
        _delete_abandoned,
    ):
        for item in step(dry_run):
            yield item
            if time.monotonic() > deadline:
                return
    for found in collect_storage(deadline=deadline, dry_run=dry_run):
        yield CollectedItem('bytes' if found.is_key else 'unknown', found.name, found.size)


@task(
    idempotent='concurrent runs delete each item once',
    queue='slow',
    cron='37 3 * * *',
    time_limit=timedelta(hours=1),
)
def collect_garbage_nightly() -> None:
    """Delete expired trash and links, and stored objects without a row, every night.

    If a backup has paused the garbage collection, the task runs again at the end of the pause.
    """
    if paused_until := pause_end():
        with atomic():
            enqueue_at(paused_until, collect_garbage_nightly)
        return
    deadline = time.monotonic() + NIGHTLY_BUDGET_SECONDS
    for _ in collect_garbage(budget=NIGHTLY_BUDGET_SECONDS):
        pass
    if time.monotonic() > deadline:
        with atomic():
            enqueue_at(now() + CONTINUATION_DELAY, collect_garbage_nightly)


@task(idempotent='a second run finds none', every=timedelta(minutes=10))
def delete_abandoned_uploads() -> None:
    """Delete staging files of ended processes, and files of partial uploads without a row."""
    for _ in _delete_abandoned(dry_run=False):
        pass


def pause_garbage_collection(duration: timedelta) -> None:
    """Keep the bytes of deleted files for `duration` from now, so that a backup can copy them.

    :param duration: with 0, a pause ends immediately.
    """
    pause_collection(now() + duration)


def garbage_collection_pause_end() -> datetime | None:
    """Return when the pause of the garbage collection ends; None if it is not paused."""
    return pause_end()


def storage_stats() -> list[StorageStats]:
    """Return totals of stored objects by kind, and those of the last garbage collection."""
    totals: list[StorageStats] = [
        StorageStats(kind=each.kind, objects=each.objects, bytes=each.bytes, at=None)
        for each in (kind.total() for kind in object_kinds().values())
    ]
    state = collection_state()
    if state and state.started_at:
        at = state.finished_at or state.started_at
        freed = state.collected_bytes
        totals += [
            StorageStats(kind='examined', objects=state.examined, bytes=None, at=at),
            StorageStats(kind='collected', objects=state.collected, bytes=freed, at=at),
        ]
    return totals


def _delete_expired_trash(dry_run: bool) -> Iterator[CollectedItem]:
    before = now() - current_app.config['FILES_TRASH_LIFETIME']
    trash = select(File.trashed_at, File.id, File.owner_id).where(File.trashed_at < before)
    for row in iterate_in_batches(trash, File.trashed_at, File.id):
        if dry_run or _delete_trashed_file(row.owner_id, row.id, before):
            yield CollectedItem('trash', str(row.id))


def _delete_expired_links(dry_run: bool) -> Iterator[CollectedItem]:
    """Delete links a month after their expiry; used-up links a month after their creation."""
    before = now() - EXPIRED_LINK_RETENTION
    is_used_up = and_(Link.downloads >= Link.max_downloads, Link.created_at < before)
    over = or_(Link.expires_at < before, is_used_up)
    for row in iterate_in_batches(select(Link.id).where(over), Link.id):
        if dry_run or _delete_link(row.id):
            yield CollectedItem('links', str(row.id))


def _delete_unused_blobs(dry_run: bool) -> Iterator[CollectedItem]:
    ensure_own_storage()
    unused = ~select(Version.file_id).where(Version.sha256 == Blob.sha256).exists()
    for row in iterate_in_batches(select(Blob.sha256, Blob.size).where(unused), Blob.sha256):
        key = blobs.key_of(row.sha256)
        if dry_run or collect_object(key):
            yield CollectedItem('bytes', key, row.size)


def _delete_abandoned(dry_run: bool) -> Iterator[CollectedItem]:
    """Delete staging files whose process has ended, and partial uploads without a row."""
    staged = storage().delete_abandoned(dry_run=dry_run)
    for found in chain(staged, _partial_uploads_without_row(dry_run)):
        kind = 'incoming' if found.is_key else 'unknown'
        yield CollectedItem(kind, found.name, found.size)


def _partial_uploads_without_row(dry_run: bool) -> Iterator[ListedName]:
    for found in partial_uploads.iterate_names():
        if found.is_key:
            if _upload_exists(UUID(found.name)):
                continue
            if not dry_run:
                partial_uploads.PartialFile(UUID(found.name)).delete()
        yield found


def _upload_exists(upload_id: UUID) -> bool:
    row = execute_select(select(Upload.id).where(Upload.id == upload_id)).one_or_none()
    return row is not None


@locks_user('owner_id')
def _delete_trashed_file(owner_id: int, file_id: UUID, before: datetime) -> bool:
    """Delete a file if it was moved to the trash before `before`; return whether it was deleted."""
    # The condition is repeated, because the owner may have restored the file since the query.
    return delete_files(owner_id, (File.id == file_id) & (File.trashed_at < before)) > 0


@atomic()
def _delete_link(link_id: UUID) -> bool:
    """Delete a link, and return whether it existed. An expired link never becomes valid again."""
    gone = delete(Link).where(Link.id == link_id).returning(Link.id)
    return db.session.execute(gone).one_or_none() is not None
