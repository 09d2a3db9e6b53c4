"""Room for what is on its way: reserved before bytes flow, until they have come or will not."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from flask import current_app
from sqlalchemy import ColumnElement, delete, insert, update

from project.core.clock import MAX_CLOCK_SKEW, now
from project.core.database.session import AnyRow, after_commit, atomic, db, locks_user
from project.core.errors import Unauthorized
from project.core.storage import storage
from project.core.tasks import task
from project.files import blobs
from project.files.errors import FileTooLarge, QuotaExceeded
from project.files.models import Upload
from project.files.partial_uploads import PartialFile
from project.users import service as users

from .quota import cancel_reservation, reserve

# An upload extends its reservation every 15 seconds (`blobs.RESERVATION_REFRESH_SECONDS`).
RESERVATION_LIFETIME = timedelta(minutes=2)

# A resumable upload expires after this time without a chunk.
UPLOAD_LIFETIME = timedelta(days=1)

# Of what nobody knows how long it will be, so much is reserved at a time.
RESERVATION_STEP_BYTES = 64 * 1024 * 1024


class ReservedUpload(blobs.BlobWriter):
    """Bytes on their way to an owner, with the room that is reserved for them.

    What is not admitted in the end gives its room back; where its process dies, the sweeper does.
    """

    def __init__(self, owner_id: int, least: int) -> None:
        self.id, self.owner_id = uuid4(), owner_id
        self.is_completed = False
        if least > _largest():
            raise FileTooLarge
        storage().reserve.ensure(least)
        _begin(owner_id, self.id, least)
        try:
            super().__init__(self._reserve, reserved=least)
        except BaseException:
            cancel_upload(self.id)
            raise

    def mark_completed(self) -> None:
        """Remember that there is nothing to give back any more."""
        self.is_completed = True

    def close(self) -> None:
        """Forget what was not kept, and give back what was reserved and not used."""
        super().close()
        if not self.is_completed:
            cancel_upload(self.id)

    def _reserve(self, size: int) -> int:
        # Of the two limits the lower one is what is said.
        room = _grow(self.owner_id, self.id, min(size, _largest()))
        if size > _largest():
            raise FileTooLarge
        return room


def open_upload(owner_id: int, *, least: int = 0) -> ReservedUpload:
    """Return where to write an owner's bytes to; it refuses the first one that does not fit.

    :param least: how many will come at least: room for them is reserved now.

    Refuses with FileTooLarge and QuotaExceeded. Close it in the end.
    """
    return ReservedUpload(owner_id, least)


def complete_reservation(upload: ReservedUpload) -> int:
    """End an upload whose bytes have come, and return what it had reserved. Inside `atomic`.

    Nothing, where it was taken for dead meanwhile.
    """
    over = delete(Upload).where(Upload.id == upload.id).returning(Upload.reserved)
    reserved = db.session.scalar(over) or 0
    after_commit(upload.mark_completed)
    return reserved


@atomic(checks_caller=False)
def cancel_upload(upload_id: UUID) -> None:
    """Give an upload up, and its room back; one that is over is left alone."""
    over = delete(Upload).where(Upload.id == upload_id)
    gone = db.session.execute(over.returning(Upload.owner_id, Upload.reserved)).one_or_none()
    if gone:
        cancel_reservation(gone.owner_id, gone.reserved)


@task(every=timedelta(minutes=1))
@atomic()
def release_expired_reservations() -> None:
    """Release the reservations of uploads whose process died. Idempotent.

    An upload that expires later than any does, because a clock was ahead, gets the usual lifetime.
    """
    moment = now()
    cancel_uploads(Upload.expires_at <= moment)
    latest = moment + UPLOAD_LIFETIME
    too_late = update(Upload).where(Upload.expires_at > latest + MAX_CLOCK_SKEW)
    db.session.execute(too_late.values(expires_at=latest))


def cancel_uploads(which: ColumnElement[bool]) -> None:
    """Forget uploads, give their room back, and remove what has come of them. Inside `atomic`."""
    for upload in delete_uploads(which):
        cancel_reservation(upload.owner_id, upload.reserved)


def delete_uploads(which: ColumnElement[bool]) -> Sequence[AnyRow]:
    """Forget uploads, and remove what has come of them; return what they had reserved."""
    over = delete(Upload).where(which)
    gone = db.session.execute(over.returning(Upload.id, Upload.owner_id, Upload.reserved)).all()
    for upload in gone:
        after_commit(PartialFile(upload.id).delete)
    return gone


def ensure_owner_active(owner_id: int) -> None:
    """Ensure that an owner is active, in a transaction that locks them (`locks_user`).

    Locks are taken in one order: the owner, then uploads, files, usage and blobs.

    :raises Unauthorized: if the owner was disabled or deleted in the meantime.
    """
    if not users.is_active(owner_id):
        raise Unauthorized


@locks_user('owner_id')
def _begin(owner_id: int, upload_id: UUID, size: int) -> None:
    ensure_owner_active(owner_id)
    reserve(owner_id, size)
    values = {'id': upload_id, 'owner_id': owner_id, 'reserved': size}
    db.session.execute(insert(Upload).values(**values, expires_at=now() + RESERVATION_LIFETIME))


@locks_user('owner_id')
def _grow(owner_id: int, upload_id: UUID, size: int) -> int:
    """Have room for so many bytes at least, and say that the upload lives."""
    alive = (
        update(Upload).where(Upload.id == upload_id).values(expires_at=now() + RESERVATION_LIFETIME)
    )
    had: int | None = db.session.scalar(alive.returning(Upload.reserved))
    if had is None:
        # It slept for minutes, and was taken for dead.
        _begin(owner_id, upload_id, size)
        return size
    if size <= had:
        return had
    room = _reserve_more(owner_id, had, size)
    db.session.execute(update(Upload).where(Upload.id == upload_id).values(reserved=room))
    return room


def _reserve_more(owner_id: int, had: int, size: int) -> int:
    wanted = min(max(size, had + RESERVATION_STEP_BYTES), _largest())
    try:
        reserve(owner_id, wanted - had)
    except QuotaExceeded:
        # Near the end of the quota there is room for what came, if not for what may come.
        wanted = size
        reserve(owner_id, wanted - had)
    return wanted


def _largest() -> int:
    largest: int = current_app.config['FILES_MAX_SIZE']
    return largest
