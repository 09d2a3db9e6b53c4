"""The sweeper: removes what nobody has any more, and asks again before it does."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from flask import current_app
from sqlalchemy import and_, delete, or_, select

from project.core.clock import now
from project.core.database.keyset_pagination import iterate_in_batches
from project.core.database.session import atomic, db, execute_select
from project.core.storage import storage
from project.core.tasks import task
from project.files import blobs, partial_uploads
from project.files.models import Blob, File, Link, Upload, Version

from .files import delete_files

STALE_AFTER_SECONDS = (
    24 * 60 * 60
)  # seconds after which bytes on their way in will not arrive any more
# A link is shown for a while after its end, so that its owner sees why it stopped.
EXPIRED_LINK_RETENTION = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class CollectedItem:
    """One thing that was removed, or would be: `trash`, `links`, `bytes` or `incoming`."""

    kind: str
    name: str


def collect_garbage(*, dry_run: bool = False) -> Iterator[CollectedItem]:
    """Remove trash past its time, links long over, and bytes that nobody has or that broke off.

    Yields each thing as it goes, so that a caller can count along. Safe to run twice, and beside
    uploads of the same bytes.
    """
    yield from _delete_expired_trash(dry_run)
    yield from _delete_expired_links(dry_run)
    yield from _delete_unused_blobs(dry_run)
    yield from _delete_stale_partials(dry_run)
    for name in storage().delete_stale(time.time() - STALE_AFTER_SECONDS, dry_run=dry_run):
        yield CollectedItem('incoming', name)


@task(cron='37 3 * * *', time_limit=timedelta(hours=6))
def collect_garbage_nightly() -> None:
    """Sweep by itself, every night. Run twice, also at once, it removes each thing once."""
    for _ in collect_garbage():
        pass


def _delete_expired_trash(dry_run: bool) -> Iterator[CollectedItem]:
    before = now() - current_app.config['FILES_TRASH_LIFETIME']
    trash = select(File.trashed_at, File.id).where(File.trashed_at < before)
    for row in iterate_in_batches(trash, File.trashed_at, File.id):
        if dry_run or _delete_trashed_file(row.id, before):
            yield CollectedItem('trash', str(row.id))


def _delete_expired_links(dry_run: bool) -> Iterator[CollectedItem]:
    """Remove links a month after their end; of one that is used up, after its making."""
    before = now() - EXPIRED_LINK_RETENTION
    is_used_up = and_(Link.downloads >= Link.max_downloads, Link.created_at < before)
    over = or_(Link.expires_at < before, is_used_up)
    for row in iterate_in_batches(select(Link.id).where(over), Link.id):
        if dry_run or _delete_link(row.id):
            yield CollectedItem('links', str(row.id))


def _delete_unused_blobs(dry_run: bool) -> Iterator[CollectedItem]:
    unused = ~select(Version.file_id).where(Version.sha256 == Blob.sha256).exists()
    for row in iterate_in_batches(select(Blob.sha256).where(unused), Blob.sha256):
        if dry_run or _delete_blob(row.sha256):
            yield CollectedItem('bytes', row.sha256)


def _delete_stale_partials(dry_run: bool) -> Iterator[CollectedItem]:
    """Remove what came of uploads that nobody knows of: their process died at the wrong moment."""
    for upload_id in partial_uploads.find_stale(time.time() - STALE_AFTER_SECONDS):
        if execute_select(select(Upload.id).where(Upload.id == upload_id)).one_or_none() is None:
            if not dry_run:
                partial_uploads.PartialFile(upload_id).delete()
            yield CollectedItem('incoming', upload_id.hex)


@atomic()
def _delete_trashed_file(file_id: UUID, before: datetime) -> bool:
    """Delete a file if it still is trash past its time, and tell whether that was so."""
    # Its owner may have restored it since we looked.
    expired = select(File.owner_id).where(File.id == file_id, File.trashed_at < before)
    owner_id = db.session.scalar(expired)
    if owner_id is None:
        return False
    return delete_files(owner_id, (File.id == file_id) & (File.trashed_at < before)) > 0


@atomic()
def _delete_link(link_id: UUID) -> bool:
    """Delete a link that is over, which it stays, and tell whether it was still there."""
    gone = delete(Link).where(Link.id == link_id).returning(Link.id)
    return db.session.execute(gone).one_or_none() is not None


@atomic()
def _delete_blob(sha256: str) -> bool:
    """Remove bytes if still nobody has them, and tell whether that was so."""
    # Locked first and asked then: a file that took the bytes meanwhile is seen by the second look.
    db.session.execute(select(Blob.sha256).where(Blob.sha256 == sha256).with_for_update())
    unused = ~select(Version.file_id).where(Version.sha256 == sha256).exists()
    gone = delete(Blob).where(Blob.sha256 == sha256, unused).returning(Blob.sha256)
    if db.session.execute(gone).one_or_none() is None:
        return False
    # Still inside: after the commit, somebody might have stored them anew.
    blobs.delete(sha256)
    return True
