"""Bytes in and bytes out. One door for all that come in: a check stands here or nowhere."""

from collections.abc import Iterable
from typing import BinaryIO
from uuid import UUID, uuid4

from flask import current_app
from sqlalchemy import insert

from project.core.clock import now
from project.core.data.database import AnyRow, atomic, db
from project.core.data.storage import Staged
from project.core.data.upsert import insert_or
from project.core.errors import Malformed, Unauthorized
from project.files import blobs
from project.files.errors import FileNotFound, FileTooLarge
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
    shown = clean_name(name)
    limit = current_app.config['FILES_MAX_SIZE']
    if length is not None and length > limit:
        raise FileTooLarge
    check_quota(owner_id, length or 0)
    with blobs.receive(stream, limit=limit) as (staged, head):
        if length is not None and staged.size < length:
            raise Malformed('Ended before its announced length')
        return _admit(owner_id, staged, shown, sniff(head), frozenset(tags))


def open_content(owner_id: int, file_id: UUID) -> tuple[AnyRow, BinaryIO]:
    """Return the owner's file and its open bytes, or refuse with FileNotFound, also for trash."""
    file = get_file(owner_id, file_id)
    if file.trashed_at is not None:
        raise FileNotFound
    return file, blobs.open_blob(file.sha256)


@atomic()
def _admit(owner_id: int, staged: Staged, name: str, type: str, tags: frozenset[str]) -> AnyRow:
    if not users.hold_user(owner_id):
        # Deleted or disabled while their bytes were coming.
        raise Unauthorized
    charge(owner_id, staged.size)
    # Writing the row, also where it is there, locks it: the sweeper cannot come in between.
    row = {'sha256': staged.sha256, 'size': staged.size, 'created_at': now()}
    db.session.execute(insert_or(Blob, row, conflict=['sha256'], change={'size': staged.size}))
    blobs.keep(staged)
    file_id = uuid4()
    db.session.execute(
        insert(File).values(
            id=file_id,
            owner_id=owner_id,
            name=name,
            type=type,
            size=staged.size,
            sha256=staged.sha256,
        )
    )
    if tags:
        db.session.execute(insert(FileTag), [{'file_id': file_id, 'tag': tag} for tag in tags])
    return get_file(owner_id, file_id)
