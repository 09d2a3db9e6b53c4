"""The check: whether rows, bytes and ledger agree, and what can be done where they do not."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, select, update

from project.core.database.keyset_pagination import in_batches
from project.core.database.session import AnyRow, atomic, db, read
from project.core.database.upsert import insert_or_ignore
from project.core.errors import Unavailable
from project.files import blobs
from project.files.errors import UploadNotFound
from project.files.models import READY, Blob, File, Thumbnail, Upload, Usage, Version
from project.files.partial_uploads import Partial

from .upload_reservations import forget_uploads

# What came to its place within the last hour may be about to get its row.
SETTLED = 60 * 60  # seconds


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that does not agree; what was done about it, if anything could be.

    :param kind: `missing` or `damaged` bytes, which only a backup brings back; `orphan` bytes that
        no row knows; `usage` that is not the sum of what is there; `upload` that is not as long as
        was acknowledged; `thumbnail` without its bytes.
    """

    kind: str
    name: str
    is_repaired: bool = False


def check(*, repair: bool = False) -> Iterator[Fault | None]:
    """Yield every fault, and None for each thing that was looked at and is as it should be.

    Safe beside a running service, and safe to run twice.
    """
    yield from _check_bytes()
    yield from _check_orphans(repair)
    yield from _check_usage(repair)
    yield from _check_uploads(repair)
    yield from _check_thumbnails(repair)


def _check_bytes() -> Iterator[Fault | None]:
    # What nobody has is the sweeper's, who may have died between the bytes and the row.
    had = select(Version.file_id).where(Version.sha256 == Blob.sha256).exists()
    for row in in_batches(select(Blob.sha256, Blob.size).where(had), Blob.sha256):
        try:
            digest, size = _hash_of(row.sha256)
        except Unavailable:
            # The sweeper may have been there since.
            gone = read(select(Blob.sha256).where(Blob.sha256 == row.sha256)).first() is None
            yield None if gone else Fault('missing', row.sha256)
            continue
        yield None if (digest, size) == (row.sha256, row.size) else Fault('damaged', row.sha256)


def _check_orphans(repair: bool) -> Iterator[Fault | None]:
    for sha256, changed in blobs.stored():
        known = read(select(Blob.sha256).where(Blob.sha256 == sha256)).first() is not None
        if known or time.time() - changed < SETTLED:
            yield None
        else:
            yield Fault('orphan', sha256, repair and _remove_orphan(sha256))


def _check_usage(repair: bool) -> Iterator[Fault | None]:
    for row in in_batches(select(Usage.user_id), Usage.user_id):
        is_right = _booked(row.user_id) == _there(row.user_id)
        # Looked at twice: an upload may have come to its end between the two sums.
        if is_right or _recount(row.user_id, repair=False):
            yield None
        else:
            yield Fault('usage', str(row.user_id), repair and _recount(row.user_id, repair=True))


def _check_uploads(repair: bool) -> Iterator[Fault | None]:
    resumable = Upload.length.is_not(None) & Upload.file_id.is_(None)
    for row in in_batches(select(Upload.id, Upload.offset).where(resumable), Upload.id):
        try:
            with closing(Partial(row.id).open()) as file:
                is_there = file.seek(0, 2) >= row.offset
        except UploadNotFound:
            is_there = not _still(Upload, Upload.id == row.id, Upload.file_id.is_(None))
        if is_there:
            yield None
        else:
            yield Fault('upload', str(row.id), repair and _forget_upload(row.id))


def _check_thumbnails(repair: bool) -> Iterator[Fault | None]:
    columns = (Thumbnail.file_id, Thumbnail.number, Thumbnail.edge)
    for row in in_batches(select(*columns).where(Thumbnail.state == READY), *columns):
        try:
            blobs.open_thumbnail(*row).close()
            yield None
        except Unavailable:
            name = f'{row.file_id}/{row.number}/{row.edge}'
            yield Fault('thumbnail', name, repair and _forget_thumbnail(row))


def _hash_of(sha256: str) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    for block in blobs.blocks_of(sha256):
        digest.update(block)
        size += len(block)
    return digest.hexdigest(), size


@atomic()
def _remove_orphan(sha256: str) -> bool:
    """Remove bytes unless somebody gets a row for them just now, who is waited for."""
    row = insert_or_ignore(Blob).values(sha256=sha256, size=0).returning(Blob.sha256)
    if db.session.execute(row).one_or_none() is None:
        return False
    blobs.remove(sha256)
    db.session.execute(delete(Blob).where(Blob.sha256 == sha256))
    return True


@atomic()
def _recount(user_id: int, *, repair: bool) -> bool:
    """Tell whether a user's account is right, or is now, while nobody changes it."""
    db.session.execute(select(Usage.user_id).where(Usage.user_id == user_id).with_for_update())
    used, reserved = _there(user_id)
    is_right = _booked(user_id) == (used, reserved)
    if repair and not is_right:
        account = update(Usage).where(Usage.user_id == user_id)
        db.session.execute(account.values(used=used, reserved=reserved))
    return is_right or repair


def _booked(user_id: int) -> tuple[int, int]:
    usage = Usage.find(user_id)
    return (usage.used, usage.reserved) if usage else (0, 0)


def _there(user_id: int) -> tuple[int, int]:
    sizes = select(func.coalesce(func.sum(Version.size), 0)).join(File, File.id == Version.file_id)
    coming = select(func.coalesce(func.sum(Upload.reserved), 0))
    return (
        int(read(sizes.where(File.owner_id == user_id)).scalar_one()),
        int(read(coming.where(Upload.owner_id == user_id)).scalar_one()),
    )


@atomic()
def _forget_upload(upload_id: Any) -> bool:
    forget_uploads(Upload.id == upload_id)
    return True


@atomic()
def _forget_thumbnail(row: AnyRow) -> bool:
    one = delete(Thumbnail).where(
        Thumbnail.file_id == row.file_id, Thumbnail.number == row.number, Thumbnail.edge == row.edge
    )
    db.session.execute(one)
    return True


def _still(model: Any, *conditions: Any) -> bool:
    return read(select(model.id).where(*conditions)).first() is not None
