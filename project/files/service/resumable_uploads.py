"""Uploads that may be resumed (tus 1.0.0): whatever offset was acknowledged is on the disk.

One request at a time writes: the newest. It takes the lease, and whoever had it before, hung or
not, finds out before its next byte.
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
from project.core.database.session import AnyRow, after_commit, atomic, db, locks_user, non_atomic
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
from project.files.tus import Checksum

from .content import create_file_from_blob
from .quota import cancel_reservation, ensure_within_quota, reserve
from .upload_reservations import UPLOAD_LIFETIME, ensure_owner_active

# A killed process loses the bytes that arrived after its last checkpoint.
CHECKPOINT_INTERVAL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an upload has come, and which file has come of it."""

    offset: int
    expires_at: datetime
    file_id: UUID | None


def create_upload(
    owner_id: int, *, length: int, name: str | None, tus_metadata: str = ''
) -> AnyRow:
    """Begin an upload of so many bytes; room for all of them is reserved.

    :param tus_metadata: what its client says of it; given back as it is.

    Refuses with FileTooLarge, QuotaExceeded and NameInvalid.
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
    """Begin an upload with its first piece; return its id, and how far it has come.

    Where the piece is refused, or breaks off, no upload was begun: whoever sent it never hears
    where to go on. Refuses as `create_upload` and `append` do.
    """
    upload_id = create_upload(owner_id, length=length, name=name, tus_metadata=tus_metadata).id
    try:
        progress = append(
            owner_id, upload_id, stream, offset=0, length=chunk_length, checksum=checksum
        )
    except BaseException:
        # Also if the credential was revoked: the quota is the owner's.
        with suppress(UploadNotFound), atomic(checks_caller=False):
            delete_upload(owner_id, upload_id)
        raise
    return upload_id, progress


def get_upload(owner_id: int, upload_id: UUID) -> AnyRow:
    """Return the owner's upload.

    :raises UploadNotFound: if there is none, it has expired, or its file is deleted.
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
    """Append a chunk to an upload at its offset; the last chunk makes it a file.

    All bytes that arrived before a connection broke count, unless the chunk has a checksum.

    :param length: the announced number of bytes, or None.
    :raises UploadNotFound: if the owner has no such upload, or its file is deleted.
    :raises OffsetMismatch: if the upload has another offset.
    :raises UploadLengthExceeded: if the chunk goes beyond the length of the upload.
    :raises QuotaExceeded: if the owner has used more than their quota.
    :raises UploadLeaseLost: if a newer request appends to the upload.
    :raises ChecksumMismatch: if the chunk has another checksum.
    """
    upload = get_upload(owner_id, upload_id)
    if upload.offset != offset:
        raise OffsetMismatch
    if length is not None and offset + length > upload.declared_size:
        raise UploadLengthExceeded
    if upload.file_id is not None:
        # Its end was answered, and the answer lost.
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
    """Give an upload up, or refuse with UploadNotFound. The file of one that is done stays."""
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
    """The request that may write to an upload, until a newer one comes."""

    def __init__(self, owner_id: int, upload: AnyRow, checksum: Checksum | None) -> None:
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
        """Make durable what came, and only then say so."""
        wanted, found = self._checksum, self._digest
        if wanted and found and not hmac.compare_digest(found.digest(), wanted.digest):
            raise ChecksumMismatch
        self.partial.sync()
        if self.at < self.upload.declared_size:
            return _save(self.upload.id, self.lease, self.at)
        return self._finish()

    def _is_checkpoint_due(self) -> bool:
        # A chunk with a checksum counts whole or not at all.
        is_due = time.monotonic() - self._saved > CHECKPOINT_INTERVAL_SECONDS
        return self._digest is None and is_due

    def _checkpoint(self) -> None:
        """Move the offset while the piece still comes. The last one moves with the file only."""
        if self.at < self.upload.declared_size:
            self.partial.sync()
            _save(self.upload.id, self.lease, self.at)
            self._saved = time.monotonic()

    def _finish(self) -> Progress:
        with blobs.AssembledUpload(self.partial) as arrived:
            if arrived.size != self.upload.declared_size:
                raise RuntimeError('an upload is not as long as was acknowledged')
            arrived.prepare_blob()
            return _finish(self.owner_id, self.upload, self.lease, arrived)


def _is_broken_connection(error: Exception) -> bool:
    """Return whether the client is gone, in whichever way the server reports it.

    After any other error nothing more is written: the request was rejected, or the disk or the
    database failed.
    """
    if isinstance(error, RequestTimeout):
        return True
    return not isinstance(error, (ApiError, ServiceUnavailable, SQLAlchemyError))


@locks_user('owner_id')
def _begin(owner_id: int, upload_id: UUID, length: int, name: str, tus_metadata: str) -> AnyRow:
    ensure_owner_active(owner_id)
    reserve(owner_id, length)
    values = {
        'id': upload_id, 'owner_id': owner_id, 'reserved': length, 'declared_size': length,
        'name': name, 'tus_metadata': tus_metadata, 'expires_at': now() + UPLOAD_LIFETIME,
    }  # fmt: skip
    db.session.execute(insert(Upload).values(**values))
    return get_upload(owner_id, upload_id)


@atomic()
def _take(owner_id: int, upload: AnyRow, lease: UUID) -> None:
    """Become the one who writes: with the offset that was asked for, or not at all."""
    ensure_within_quota(owner_id)
    mine = update(Upload).where(Upload.id == upload.id, Upload.offset == upload.offset)
    mine = mine.values(lease_id=lease, expires_at=now() + UPLOAD_LIFETIME)
    if db.session.execute(mine.returning(Upload.id)).one_or_none() is None:
        raise OffsetMismatch


@atomic()
def _save(upload_id: UUID, lease: UUID, offset: int) -> Progress:
    return _move(upload_id, lease, offset=offset, expires_at=now() + UPLOAD_LIFETIME)


@locks_user('owner_id')
def _finish(owner_id: int, upload: AnyRow, lease: UUID, arrived: blobs.AssembledUpload) -> Progress:
    """Let the whole in: the last offset is acknowledged with its file, or not at all."""
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
