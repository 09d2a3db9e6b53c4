"""Integrity check (`flask files fsck`): faults of rows, bytes and quotas, and their repair."""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, update

from project.core.database.keyset_pagination import iterate_in_batches
from project.core.database.session import atomic, db, execute_select
from project.core.errors import ServiceUnavailable
from project.core.storage import register_storage_sample, storage
from project.core.stored_objects import collect_object, collect_storage, ensure_own_storage
from project.files import blobs
from project.files.errors import UploadNotFound
from project.files.models import FAILED, Blob, File, Thumbnail, Upload, Usage, Version
from project.files.partial_uploads import PartialFile

from ..quota import count_thumbnail
from ..upload_reservations import cancel_uploads


@dataclass(frozen=True, slots=True)
class IntegrityIssue:
    """A fault that the integrity check has found.

    :param kind: `missing` or `damaged` bytes, which only a backup can restore; `orphan`, a stored
        object to which no row refers; `usage` that differs from the sum of the rows; `upload`,
        whose file is shorter than the acknowledged offset; `thumbnail` without its bytes;
        `unknown`, a name in the storage that is not a key; `storage` that fails or does not belong
        to the database.
    :param is_repaired: whether it was repaired; None for unknown names, which are never deleted.
    """

    kind: str
    name: str
    is_repaired: bool | None = False


def sample_blob_keys() -> list[str]:
    """Return the keys of the ten oldest blobs to which file versions refer."""
    had = select(Version.file_id).where(Version.sha256 == Blob.sha256).exists()
    oldest = select(Blob.sha256).where(had).order_by(Blob.created_at).limit(10)
    return [blobs.key_of(row.sha256) for row in execute_select(oldest)]


register_storage_sample('blobs', sample_blob_keys, owner=__name__)


def check_integrity(*, repair: bool = False) -> Iterator[IntegrityIssue | None]:
    """Check all rows and stored bytes; yield each fault, and None for each item without a fault.

    Safe while the service runs, and idempotent.
    """
    try:
        ensure_own_storage()
    except ServiceUnavailable as error:
        # Do not continue: in a wrong storage, all objects would seem to be missing.
        yield IntegrityIssue('storage', str(error))
        return
    yield from _check_bytes()
    yield from _check_orphans(repair)
    yield from _check_uploads(repair)
    yield from _check_thumbnails(repair)
    # This check is last, because the other repairs change the usage.
    yield from _check_usage(repair)


def _check_bytes() -> Iterator[IntegrityIssue | None]:
    # Skip blobs without a version. A garbage collection that was killed may have deleted their
    # bytes but not their rows. The next garbage collection deletes these rows.
    had = select(Version.file_id).where(Version.sha256 == Blob.sha256).exists()
    for row in iterate_in_batches(select(Blob.sha256, Blob.size).where(had), Blob.sha256):
        try:
            digest, size = _hash_of(row.sha256)
        except ServiceUnavailable:
            # Garbage collection may have deleted the blob since the query.
            gone = (
                execute_select(select(Blob.sha256).where(Blob.sha256 == row.sha256)).first() is None
            )
            yield None if gone else IntegrityIssue('missing', row.sha256)
            continue
        yield (
            None
            if (digest, size) == (row.sha256, row.size)
            else IntegrityIssue('damaged', row.sha256)
        )


def _check_orphans(repair: bool) -> Iterator[IntegrityIssue | None]:
    """Find stored objects, of all features, to which no row refers."""
    for found in collect_storage(dry_run=True):
        if found.is_key:
            is_removed = repair and collect_object(found.name)
            yield IntegrityIssue('orphan', found.name, is_removed)
        else:
            yield IntegrityIssue('unknown', found.name, None)


def _check_usage(repair: bool) -> Iterator[IntegrityIssue | None]:
    for row in iterate_in_batches(select(Usage.user_id), Usage.user_id):
        is_right = _recorded_usage(row.user_id) == _actual_usage(row.user_id)
        # Compare again with a lock on the row: an upload may have ended between the two queries.
        if is_right or _recount(row.user_id, repair=False):
            yield None
        else:
            yield IntegrityIssue(
                'usage', str(row.user_id), repair and _recount(row.user_id, repair=True)
            )


def _check_uploads(repair: bool) -> Iterator[IntegrityIssue | None]:
    resumable = Upload.declared_size.is_not(None) & Upload.file_id.is_(None)
    for row in iterate_in_batches(select(Upload.id, Upload.offset).where(resumable), Upload.id):
        try:
            with closing(PartialFile(row.id).open()) as file:
                is_there = file.seek(0, 2) >= row.offset
        except UploadNotFound:
            # An upload that has received no byte has no file yet.
            is_unfinished = _row_exists(Upload, Upload.id == row.id, Upload.file_id.is_(None))
            is_there = row.offset == 0 or not is_unfinished
        if is_there:
            yield None
        else:
            yield IntegrityIssue('upload', str(row.id), repair and _cancel_upload(row.id))


def _check_thumbnails(repair: bool) -> Iterator[IntegrityIssue | None]:
    if repair:
        _delete_failed_thumbnails()
    key = (Thumbnail.file_id, Thumbnail.number, Thumbnail.edge)
    ready = select(*key, Thumbnail.storage_key).where(Thumbnail.storage_key.is_not(None))
    for row in iterate_in_batches(ready, *key):
        if storage().can_open(row.storage_key):
            yield None
        else:
            place = row.file_id, row.number, row.edge
            name = '/'.join(map(str, place))
            yield IntegrityIssue('thumbnail', name, repair and _delete_thumbnail_row(*place))


def _hash_of(sha256: str) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    for block in blobs.iter_chunks(sha256):
        digest.update(block)
        size += len(block)
    return digest.hexdigest(), size


@atomic()
def _recount(user_id: int, *, repair: bool) -> bool:
    """Lock a user's usage; return whether it equals the sum of the rows or was repaired."""
    db.session.execute(select(Usage.user_id).where(Usage.user_id == user_id).with_for_update())
    actual = _actual_usage(user_id)
    is_right = _recorded_usage(user_id) == actual
    if repair and not is_right:
        account = update(Usage).where(Usage.user_id == user_id)
        db.session.execute(account.values(**actual))
    return is_right or repair


def _recorded_usage(user_id: int) -> dict[str, int]:
    usage = Usage.find(user_id)
    columns = ('used', 'reserved', 'thumbnail_bytes')
    return {column: getattr(usage, column) if usage else 0 for column in columns}


def _actual_usage(user_id: int) -> dict[str, int]:
    def total(column: Any, of: Any) -> int:
        found = select(func.coalesce(func.sum(column), 0)).where(of == user_id)
        if of is File.owner_id:
            found = found.join(File, File.id == column.class_.file_id)
        return int(execute_select(found).scalar_one())

    return {
        'used': total(Version.size, File.owner_id),
        'reserved': total(Upload.reserved, Upload.owner_id),
        'thumbnail_bytes': total(Thumbnail.size, File.owner_id),
    }


@atomic()
def _cancel_upload(upload_id: Any) -> bool:
    cancel_uploads(Upload.id == upload_id)
    return True


@atomic()
def _delete_thumbnail_row(file_id: UUID, number: int, edge: int) -> bool:
    one = delete(Thumbnail).where(
        Thumbnail.file_id == file_id, Thumbnail.number == number, Thumbnail.edge == edge
    )
    size = db.session.scalar(one.returning(Thumbnail.size))
    # The size is None if an earlier release made the thumbnail, or another process deleted its row.
    owner_id = db.session.scalar(select(File.owner_id).where(File.id == file_id))
    if size and owner_id is not None:
        count_thumbnail(owner_id, -size)
    return True


@atomic()
def _delete_failed_thumbnails() -> None:
    """Delete failed thumbnails, so that a newer decoder can try their images again."""
    db.session.execute(delete(Thumbnail).where(Thumbnail.state == FAILED))


def _row_exists(model: Any, *conditions: Any) -> bool:
    return execute_select(select(model.id).where(*conditions)).first() is not None
