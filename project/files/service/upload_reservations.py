"""Quota reservations of uploads. They exist from before the first byte until the upload ends."""

from datetime import timedelta
from uuid import UUID, uuid4

from flask import current_app
from sqlalchemy import ColumnElement, delete, insert, update

from project.core.clock import MAX_CLOCK_SKEW, now
from project.core.database.rows import typed_rows
from project.core.database.session import after_commit, atomic, db, locks_user
from project.core.errors import Unauthorized
from project.core.storage import storage
from project.core.tasks import task
from project.files import blobs
from project.files.errors import FileTooLarge, QuotaExceeded
from project.files.models import Upload
from project.files.partial_uploads import PartialFile
from project.files.rows import DeletedUpload
from project.users import service as users

from .quota import cancel_reservation, reserve

# An upload extends its reservation every 15 seconds (`blobs.RESERVATION_REFRESH_SECONDS`).
RESERVATION_LIFETIME = timedelta(minutes=2)

# A resumable upload expires this time after its last chunk.
UPLOAD_LIFETIME = timedelta(days=1)

# If the length of an upload is unknown, its reservation grows in steps of this size.
RESERVATION_STEP_BYTES = 64 * 1024 * 1024


class ReservedUpload(blobs.BlobWriter):
    """Writer of the bytes of an upload that has a quota reservation.

    `close` releases the reservation if no file was created. If the process dies, the task
    `release_expired_reservations` releases it.
    """

    def __init__(self, owner_id: int, least: int) -> None:
        self.id, self.owner_id = uuid4(), owner_id
        self.is_completed = False
        if least > _max_file_size():
            raise FileTooLarge
        storage().reserve.ensure(least)
        _begin(owner_id, self.id, least)
        try:
            super().__init__(self._reserve, reserved=least)
        except BaseException:
            cancel_upload(self.id)
            raise

    def mark_completed(self) -> None:
        """Record that a file was created, so that `close` does not release the reservation."""
        self.is_completed = True

    def close(self) -> None:
        """Delete unsaved bytes. Release the reservation, unless a file was created."""
        super().close()
        if not self.is_completed:
            cancel_upload(self.id)

    def _reserve(self, size: int) -> int:
        # If file size limit and quota are exceeded, the error is that of the lower one.
        reserved = _extend(self.owner_id, self.id, min(size, _max_file_size()))
        if size > _max_file_size():
            raise FileTooLarge
        return reserved


def open_upload(owner_id: int, *, least: int = 0) -> ReservedUpload:
    """Reserve quota for a new upload of an owner; return its writer. Call `close` at the end.

    The method `write` raises the same errors, before it writes a byte that exceeds a limit.

    :param least: the minimum number of bytes; they are reserved before the first write.
    :raises FileTooLarge: if there are more bytes than `FILES_MAX_SIZE`.
    :raises QuotaExceeded: if there are more bytes than the quota allows.
    """
    return ReservedUpload(owner_id, least)


def complete_reservation(upload: ReservedUpload) -> int:
    """Delete the row of a complete upload; return its reservation. Call it inside `atomic`.

    :returns: the reserved bytes; 0 if the reservation expired and was released in the meantime.
    """
    over = delete(Upload).where(Upload.id == upload.id).returning(Upload.reserved)
    reserved = db.session.scalar(over) or 0
    after_commit(upload.mark_completed)
    return reserved


@atomic(checks_caller=False)
def cancel_upload(upload_id: UUID) -> None:
    """Delete an upload and release its reservation. Do nothing if the upload has ended."""
    over = delete(Upload).where(Upload.id == upload_id)
    gone = db.session.execute(over.returning(Upload.owner_id, Upload.reserved)).one_or_none()
    if gone:
        cancel_reservation(gone.owner_id, gone.reserved)


@task(idempotent='a second run finds none that expired', every=timedelta(minutes=1))
@atomic()
def release_expired_reservations() -> None:
    """Release the reservations of uploads whose process died.

    If a clock was ahead, a reservation would expire too late. It then gets the usual lifetime.
    """
    moment = now()
    cancel_uploads(Upload.expires_at <= moment)
    latest = moment + UPLOAD_LIFETIME
    too_late = update(Upload).where(Upload.expires_at > latest + MAX_CLOCK_SKEW)
    db.session.execute(too_late.values(expires_at=latest))


def cancel_uploads(which: ColumnElement[bool]) -> None:
    """Delete matching uploads and release their reservations. Call it inside `atomic`."""
    for upload in delete_uploads(which):
        cancel_reservation(upload.owner_id, upload.reserved)


def delete_uploads(which: ColumnElement[bool]) -> list[DeletedUpload]:
    """Delete matching uploads, and their partial files after the commit; return the rows."""
    over = delete(Upload).where(which)
    result = db.session.execute(over.returning(Upload.id, Upload.owner_id, Upload.reserved))
    gone = typed_rows(DeletedUpload, result)
    for upload in gone:
        after_commit(PartialFile(upload.id).delete)
    return gone


def ensure_owner_active(owner_id: int) -> None:
    """Ensure that an owner is active. The caller must have locked the owner (`locks_user`).

    Locks are taken in one order: the owner, then uploads, files, usage and blobs.

    :raises Unauthorized: if the owner was disabled or deleted in the meantime.
    """
    if not users.is_active(owner_id):
        raise Unauthorized(error='invalid_token')


@locks_user('owner_id')
def _begin(owner_id: int, upload_id: UUID, size: int) -> None:
    ensure_owner_active(owner_id)
    reserve(owner_id, size)
    values = {'id': upload_id, 'owner_id': owner_id, 'reserved': size}
    db.session.execute(insert(Upload).values(**values, expires_at=now() + RESERVATION_LIFETIME))


@locks_user('owner_id')
def _extend(owner_id: int, upload_id: UUID, size: int) -> int:
    """Renew a reservation, and extend it to at least `size` bytes; return the reserved bytes."""
    alive = (
        update(Upload).where(Upload.id == upload_id).values(expires_at=now() + RESERVATION_LIFETIME)
    )
    had: int | None = db.session.scalar(alive.returning(Upload.reserved))
    if had is None:
        # The upload paused for minutes, so its reservation was released: reserve again.
        _begin(owner_id, upload_id, size)
        return size
    if size <= had:
        return had
    reserved = _reserve_more(owner_id, had, size)
    db.session.execute(update(Upload).where(Upload.id == upload_id).values(reserved=reserved))
    return reserved


def _reserve_more(owner_id: int, had: int, size: int) -> int:
    wanted = min(max(size, had + RESERVATION_STEP_BYTES), _max_file_size())
    try:
        reserve(owner_id, wanted - had)
    except QuotaExceeded:
        # The free quota may be too small for a whole step, but sufficient for these bytes.
        wanted = size
        reserve(owner_id, wanted - had)
    return wanted


def _max_file_size() -> int:
    size: int = current_app.config['FILES_MAX_SIZE']
    return size
