"""Resumable uploads (tus 1.0.0). Bytes below an acknowledged offset are durable.

If several requests write to an upload, only the newest one may continue. It takes the upload lease.
An older request then raises UploadLeaseLost at its next write.
"""

import hashlib
import hmac
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from flask import current_app
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import SQLAlchemyError

from project.core.clock import now
from project.core.database.session import after_commit, atomic, db, locks_user, non_atomic
from project.core.errors import ApiError, RequestTimeout, ServiceUnavailable
from project.files import blobs, tus
from project.files.errors import (
    ChecksumMismatch,
    FileTooLarge,
    OffsetMismatch,
    UploadLeaseLost,
    UploadLengthExceeded,
    UploadNotFound,
)
from project.files.filenames import clean_name
from project.files.models import HAS_LIVE_FILE, Upload
from project.files.partial_uploads import ArrivingBytes, PartialFile, iter_arriving
from project.files.rows import UploadRow
from project.files.tus import Checksum

from .content import create_file_from_blob
from .quota import cancel_reservation, ensure_within_quota, reserve
from .upload_reservations import UPLOAD_LIFETIME, ensure_owner_active

# Received bytes are made durable at this interval. A killed process loses later bytes.
CHECKPOINT_INTERVAL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """The offset of an upload in bytes, its expiry, and the id of its file once complete."""

    offset: int
    expires_at: datetime
    file_id: UUID | None


def create_upload(
    owner_id: int, *, length: int, name: str | None, tus_metadata: str = ''
) -> UploadRow:
    """Create an upload and reserve its whole length.

    :param length: the number of bytes.
    :param tus_metadata: `Upload-Metadata` as the client sent it; HEAD returns it unchanged.
    :raises FileTooLarge: if `length` exceeds `FILES_MAX_SIZE`.
    :raises QuotaExceeded: if `length` exceeds the free quota.
    :raises NameInvalid: if the name is too long.
    """
    shown = clean_name(name)
    if length > current_app.config['FILES_MAX_SIZE']:
        raise FileTooLarge
    return _begin(owner_id, uuid4(), length, shown, tus_metadata)


def create_with_chunk(
    owner_id: int,
    stream: ArrivingBytes,
    *,
    length: int,
    name: str | None,
    tus_metadata: str = '',
    chunk_length: int | None = None,
    checksum: Checksum | None = None,
) -> tuple[UUID, Progress]:
    """Create an upload and append its first chunk; return its id and its progress.

    If the chunk is rejected or the connection breaks, the upload is deleted, because the client
    does not know its URL. Raises the same errors as `create_upload` and `append`.
    """
    upload_id = create_upload(owner_id, length=length, name=name, tus_metadata=tus_metadata).id
    try:
        progress = append(
            owner_id, upload_id, stream, offset=0, length=chunk_length, checksum=checksum
        )
    except BaseException:
        # Release the reservation even if the caller's credential was revoked in the meantime.
        with suppress(UploadNotFound), atomic(checks_caller=False):
            delete_upload(owner_id, upload_id)
        raise
    return upload_id, progress


def get_upload(owner_id: int, upload_id: UUID) -> UploadRow:
    """Return the owner's upload.

    :raises UploadNotFound: if the owner has no such upload, it has expired, or its file is deleted.
    """
    upload = Upload.find_owned(owner_id, upload_id)
    if upload is None:
        raise UploadNotFound
    return upload


@non_atomic
def append(
    owner_id: int,
    upload_id: UUID,
    stream: ArrivingBytes,
    *,
    offset: int,
    length: int | None = None,
    checksum: Checksum | None = None,
) -> Progress:
    """Append a chunk to an upload at its offset; the last chunk creates the file.

    If the connection breaks, the bytes that have arrived are kept, unless the chunk has a checksum.

    :param length: the announced number of bytes of the chunk, or None.
    :raises UploadNotFound: if the owner has no such upload, or its file is deleted.
    :raises OffsetMismatch: if the upload has another offset.
    :raises UploadLengthExceeded: if the chunk goes beyond the length of the upload.
    :raises QuotaExceeded: if the owner exceeds the quota.
    :raises UploadLeaseLost: if a newer request appends to the upload.
    :raises ChecksumMismatch: if the chunk does not match `checksum`.
    """
    upload = get_upload(owner_id, upload_id)
    if upload.offset != offset:
        raise OffsetMismatch
    if length is not None and offset + length > upload.declared_size:
        raise UploadLengthExceeded
    if upload.file_id is not None:
        # The upload is complete. A client that lost the last response sends its offset again.
        if length is None and stream.read1(1):
            raise UploadLengthExceeded
        return Progress(upload.offset, upload.expires_at, upload.file_id)
    writer = _Writer(owner_id, upload, checksum)
    try:
        writer.write_stream(stream)
    except Exception as error:
        if checksum is None and _is_broken_connection(error):
            writer.save()
        raise
    return writer.save()


@locks_user('owner_id')
def delete_upload(owner_id: int, upload_id: UUID) -> None:
    """Cancel an upload. The file of a complete upload stays.

    :raises UploadNotFound: if the owner has no such upload, or its file is deleted.
    """
    mine = delete(Upload).where(
        Upload.id == upload_id, Upload.owner_id == owner_id, Upload.declared_size.is_not(None),
        HAS_LIVE_FILE,
    )  # fmt: skip
    gone = db.session.execute(mine.returning(Upload.reserved)).one_or_none()
    if gone is None:
        raise UploadNotFound
    cancel_reservation(owner_id, gone.reserved)
    after_commit(PartialFile(upload_id).delete)


class _Writer:
    """Writer of the chunk of a request; it has the upload lease until a newer one takes it."""

    def __init__(self, owner_id: int, upload: UploadRow, checksum: Checksum | None) -> None:
        self.owner_id, self.upload, self.at = owner_id, upload, upload.offset
        self.lease, self.partial = uuid4(), PartialFile(upload.id)
        self._saved = time.monotonic()
        self._checksum = checksum
        self._digest = hashlib.new(checksum.algorithm) if checksum else None
        if upload.offset == 0:
            self.partial.create_if_missing()
        with self.partial.exclusive():
            _take(owner_id, upload, self.lease)
            self.partial.relocate_and_unshare()

    def write_stream(self, stream: ArrivingBytes) -> None:
        for block in iter_arriving(stream, self._is_checkpoint_due):
            if self.at + len(block) > self.upload.declared_size:
                raise UploadLengthExceeded
            with self.partial.exclusive() as file:
                if not Upload.holds_lease(self.upload.id, self.lease):
                    raise UploadLeaseLost
                self.partial.write(file, self.at, block)
            self.at += len(block)
            if self._digest:
                self._digest.update(block)
            if self._is_checkpoint_due():
                self._checkpoint()

    def save(self) -> Progress:
        """Make the received bytes durable, then acknowledge the new offset."""
        wanted, found = self._checksum, self._digest
        if wanted and found and not hmac.compare_digest(found.digest(), wanted.digest):
            raise ChecksumMismatch
        self.partial.sync()
        if self.at < self.upload.declared_size:
            return _save(self.upload.id, self.lease, self.at)
        return self._finish()

    def _is_checkpoint_due(self) -> bool:
        # A chunk with a checksum is kept completely or not at all, so it has no checkpoints.
        is_due = time.monotonic() - self._saved > CHECKPOINT_INTERVAL_SECONDS
        return self._digest is None and is_due

    def _checkpoint(self) -> None:
        """Make the bytes so far durable and acknowledge them, while the chunk still arrives.

        Only `_finish` acknowledges the last byte, together with the file.
        """
        if self.at < self.upload.declared_size:
            self.partial.sync()
            _save(self.upload.id, self.lease, self.at)
            self._saved = time.monotonic()

    def _finish(self) -> Progress:
        with blobs.AssembledUpload(self.partial) as arrived:
            if arrived.size != self.upload.declared_size:
                raise RuntimeError('the size of an upload differs from its declared length')
            arrived.prepare_blob()
            return _finish(self.owner_id, self.upload, self.lease, arrived)


def _is_broken_connection(error: Exception) -> bool:
    """Return whether an error means that the connection to the client broke.

    Servers raise different errors for this. So all errors count as such, except rejections by the
    service, and failures of the disk or the database.
    """
    if isinstance(error, RequestTimeout):
        return True
    return not isinstance(error, (ApiError, ServiceUnavailable, SQLAlchemyError))


@locks_user('owner_id')
def _begin(owner_id: int, upload_id: UUID, length: int, name: str, tus_metadata: str) -> UploadRow:
    ensure_owner_active(owner_id)
    reserve(owner_id, length)
    values = {
        'id': upload_id, 'owner_id': owner_id, 'reserved': length, 'declared_size': length,
        'name': name, 'tus_metadata': tus_metadata, 'expires_at': now() + UPLOAD_LIFETIME,
    }  # fmt: skip
    db.session.execute(insert(Upload).values(**values))
    return get_upload(owner_id, upload_id)


@atomic()
def _take(owner_id: int, upload: UploadRow, lease: UUID) -> None:
    """Take the upload lease, if the upload still has the offset that the request has sent."""
    ensure_within_quota(owner_id)
    mine = update(Upload).where(Upload.id == upload.id, Upload.offset == upload.offset)
    mine = mine.values(lease_id=lease, expires_at=now() + UPLOAD_LIFETIME)
    if db.session.execute(mine.returning(Upload.id)).one_or_none() is None:
        raise OffsetMismatch


@atomic()
def _save(upload_id: UUID, lease: UUID, offset: int) -> Progress:
    return _move(upload_id, lease, offset=offset, expires_at=now() + UPLOAD_LIFETIME)


@locks_user('owner_id')
def _finish(
    owner_id: int, upload: UploadRow, lease: UUID, arrived: blobs.AssembledUpload
) -> Progress:
    """Create the file and acknowledge the last offset, in one transaction."""
    ensure_owner_active(owner_id)
    _move(upload.id, lease, offset=upload.declared_size, reserved=0)
    declared_type = tus.read_type(upload.tus_metadata)
    file = create_file_from_blob(
        owner_id, arrived, upload.name, declared_type=declared_type, reserved=upload.declared_size
    )
    after_commit(PartialFile(upload.id).delete)
    return _move(upload.id, lease, file_id=file.id)


def _move(upload_id: UUID, lease: UUID, **values: Any) -> Progress:
    mine = update(Upload).where(Upload.id == upload_id, Upload.lease_id == lease).values(**values)
    found = db.session.execute(
        mine.returning(Upload.offset, Upload.expires_at, Upload.file_id)
    ).one_or_none()
    if found is None:
        raise UploadLeaseLost
    return Progress(found.offset, found.expires_at, found.file_id)
