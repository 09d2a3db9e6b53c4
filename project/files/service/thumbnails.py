"""Thumbnails of images. The first request enqueues the task that makes them."""

from datetime import timedelta
from uuid import UUID

from flask import current_app
from sqlalchemy import ColumnElement, select, update

from project.core.database.session import atomic, db, execute_select, locks_user
from project.core.database.upsert import upsert
from project.core.errors import ServiceUnavailable
from project.core.images import ImageRejected, decoder_slots, resize_to_webp
from project.core.storage import StoredObject
from project.core.stored_objects import (
    NewObject,
    ObjectKind,
    create_object,
    register_object_kind,
    release_objects,
)
from project.core.tasks import TaskSlot, count_pending, enqueue, task
from project.files import blobs
from project.files.errors import NotAnImage
from project.files.models import (
    FAILED,
    GIVEN_UP,
    LOST,
    PENDING,
    READY,
    THUMBNAIL_RETRY_INTERVAL,
    File,
    Thumbnail,
    Version,
)
from project.files.sniffing import THUMBNAIL_SOURCE_TYPES

from .content import get_version
from .files import get_untrashed
from .malware_scanning import check_clean
from .quota import count_thumbnail, ensure_within_thumbnail_allowance

THUMBNAIL_EDGES_PIXELS = (64, 256, 1024)  # the longer side

# Maximum size of an image file. It is limited, because the decoder needs the whole file. An
# uncompressed image with the maximum number of pixels, of eight bytes each, is smaller than this.
MAX_THUMBNAIL_SOURCE_BYTES = 256 * 1024 * 1024

# If a user has this number of pending tasks, a request enqueues none; the client repeats it.
MAX_PENDING_THUMBNAILS_PER_USER = 100


def _has_free_decoder() -> bool:
    return decoder_slots.has_free_slot(current_app.config['IMAGES_CONCURRENCY'])


register_object_kind(
    ObjectKind(prefix='thumbnails', reference=Thumbnail.storage_key, size=Thumbnail.size),
    owner=__name__,
)


def open_thumbnail(owner_id: int, file_id: UUID, edge: int) -> tuple[str, StoredObject] | None:
    """Return the ETag of a thumbnail, and its bytes (WebP) opened for reading.

    If the thumbnail does not exist, enqueue the task that makes it. Return None until it is made.

    :param edge: the longer side in pixels.
    :raises FileNotFound: if the owner has no such file, or it is in the trash.
    :raises ScanPending, ScanInfected, Unscannable: as `check_clean` does.
    :raises NotAnImage: if the file is not an image, is too large, or cannot be decoded.
    :raises QuotaExceeded: if the owner's thumbnails have reached their limit.
    :raises ServiceUnavailable: if all attempts failed during the last 10 minutes.
    """
    file = get_untrashed(owner_id, file_id)
    check_clean(file.scan)
    if file.type not in THUMBNAIL_SOURCE_TYPES or file.size > MAX_THUMBNAIL_SOURCE_BYTES:
        raise NotAnImage
    thumbnail = Thumbnail.find(file_id, file.current_version, edge)
    if thumbnail is None or thumbnail.state == LOST:
        ensure_within_thumbnail_allowance(owner_id)
        _request(owner_id, file_id, file.current_version, edge)
        return None
    if thumbnail.state == GIVEN_UP:
        retry_after = int(THUMBNAIL_RETRY_INTERVAL.total_seconds())
        raise ServiceUnavailable('all attempts of a thumbnail failed', retry_after=retry_after)
    if thumbnail.state == FAILED:
        raise NotAnImage
    if thumbnail.state != READY or thumbnail.storage_key is None:
        return None
    # A thumbnail that is made again may have other bytes. Each one has its own key.
    return thumbnail.storage_key.rpartition('/')[2], blobs.open_thumbnail(thumbnail.storage_key)


@task(
    idempotent='a second run makes the same thumbnail',
    unique=['file_id', 'number', 'edge'],
    attempts=5,
    time_limit=timedelta(minutes=3),
    slot=TaskSlot('decoder', _has_free_decoder),
    owner_argument='owner_id',
)
def make_thumbnail(file_id: str, number: int, edge: int, owner_id: int | None = None) -> None:
    """Make a thumbnail of a version.

    If the image cannot be decoded, the state becomes `failed`. After other errors, it is retried.

    :param owner_id: the owner of the file; None in a task of an earlier release.
    """
    version = Version.find(UUID(file_id), number)
    if version is None:
        return
    try:
        with blobs.blob_as_local_file(version.sha256) as image:
            picture = resize_to_webp(image, edge=edge, timeout=0)
    except ImageRejected:
        _save_state(UUID(file_id), number, edge, FAILED)
        return
    with create_object() as new:
        new.write(picture)
        key = blobs.new_thumbnail_key(UUID(file_id), number, edge)
        new.prepare(key)
        owner = execute_select(select(File.owner_id).where(File.id == UUID(file_id))).first()
        if owner is not None:
            _publish(owner.owner_id, UUID(file_id), number, edge, key, new)


@atomic()
def _request(owner_id: int, file_id: UUID, number: int, edge: int) -> None:
    get_version(file_id, number)
    limit = MAX_PENDING_THUMBNAILS_PER_USER
    if count_pending(make_thumbnail, owner_id, limit) == limit:
        return
    task_id = enqueue(make_thumbnail, str(file_id), number, edge, owner_id)
    place = {'file_id': file_id, 'number': number, 'edge': edge}
    row = {**place, 'state': PENDING, 'task_id': task_id}
    # Two concurrent first requests enqueue only one task, because `make_thumbnail` is `unique`.
    db.session.execute(upsert(Thumbnail, row, conflict=tuple(place), change={'task_id': task_id}))


@locks_user('owner_id')
def _publish(
    owner_id: int, file_id: UUID, number: int, edge: int, key: str, new: NewObject
) -> None:
    """Store a thumbnail and replace an earlier one. Do nothing if its version is deleted."""
    row = _row_of(file_id, number, edge)
    thumbnail = db.session.scalar(select(Thumbnail).where(row).with_for_update())
    if thumbnail is None:
        return
    if thumbnail.storage_key:
        release_objects([thumbnail.storage_key])
    count_thumbnail(owner_id, new.size - (thumbnail.size or 0))
    thumbnail.state, thumbnail.storage_key, thumbnail.size = READY, key, new.size
    new.publish(key)


@atomic()
def _save_state(file_id: UUID, number: int, edge: int, state: str) -> None:
    row = _row_of(file_id, number, edge)
    db.session.execute(update(Thumbnail).where(row).values(state=state))


def _row_of(file_id: UUID, number: int, edge: int) -> ColumnElement[bool]:
    return (Thumbnail.file_id == file_id) & (Thumbnail.number == number) & (Thumbnail.edge == edge)
