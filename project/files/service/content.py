"""Bytes in and bytes out. One door for all that come in: a check stands here or nowhere."""

from collections.abc import Iterable
from typing import BinaryIO
from uuid import UUID, uuid4

from flask import current_app
from sqlalchemy import insert

from project.core.clock import now
from project.core.data.database import AnyRow, atomic, db
from project.core.data.upsert import insert_or
from project.core.errors import Malformed, Unauthorized
from project.files import blobs
from project.files.errors import FileNotFound, FileTooLarge, QuotaExceeded
from project.files.models import Blob, File, FileTag
from project.files.names import clean_name
from project.files.sniffing import sniff
from project.users import service as users

from .library import get_file
from .usage import charge, check_quota


def store_file(
    owner_id: int,
    stream: blobs.Stream,
    *,
    name: str | None = None,
    tags: Iterable[str] = (),
    length: int | None = None,
) -> AnyRow:
    """Keep a stream as a file of the owner's; acknowledged only when it would survive a power cut.

    :param length: how many bytes are announced, if any are: what cannot fit is refused unread.

    Refuses with FileTooLarge, QuotaExceeded and NameInvalid; with Malformed what ended too early.
    """
    clean_name(name)  # Or refused, before anything is read.
    with open_upload(owner_id, least=length or 0) as upload:
        upload.fill(stream)
        if length is not None and upload.size < length:
            raise Malformed('Ended before its announced length')
        return store_upload(owner_id, upload, name=name, tags=tags)


def open_upload(owner_id: int, *, least: int = 0) -> blobs.Upload:
    """Return where to write an owner's bytes to; it refuses the first one that does not fit.

    :param least: how many will come at least: what cannot fit is refused at once.

    Refuses with FileTooLarge and QuotaExceeded. Close it in the end.
    """
    largest = current_app.config['FILES_MAX_SIZE']
    if least > largest:
        raise FileTooLarge
    room = check_quota(owner_id, least)
    return blobs.Upload(min(largest, room), QuotaExceeded if room < largest else FileTooLarge)


def store_upload(
    owner_id: int, upload: blobs.Upload, *, name: str | None = None, tags: Iterable[str] = ()
) -> AnyRow:
    """Keep what was written as a file of the owner's, as durably as `store_file`.

    Refuses with QuotaExceeded and NameInvalid.
    """
    shown = clean_name(name)
    upload.sync()
    return _admit(owner_id, upload, shown, frozenset(tags))


def open_content(owner_id: int, file_id: UUID) -> tuple[AnyRow, BinaryIO]:
    """Return the owner's file and its open bytes, or refuse with FileNotFound, also for trash."""
    file = get_file(owner_id, file_id)
    if file.trashed_at is not None:
        raise FileNotFound
    return file, blobs.open_blob(file.sha256)


@atomic()
def _admit(owner_id: int, upload: blobs.Upload, name: str, tags: frozenset[str]) -> AnyRow:
    if not users.hold_user(owner_id):
        # Deleted or disabled while their bytes were coming.
        raise Unauthorized
    charge(owner_id, upload.size)
    # Writing the row, also where it is there, locks it: the sweeper cannot come in between.
    row = {'sha256': upload.sha256, 'size': upload.size, 'created_at': now()}
    db.session.execute(insert_or(Blob, row, conflict=['sha256'], change={'size': upload.size}))
    upload.keep()
    file_id = uuid4()
    db.session.execute(
        insert(File).values(
            id=file_id,
            owner_id=owner_id,
            name=name,
            type=sniff(upload.head),
            size=upload.size,
            sha256=upload.sha256,
        )
    )
    if tags:
        db.session.execute(insert(FileTag), [{'file_id': file_id, 'tag': tag} for tag in tags])
    return get_file(owner_id, file_id)
