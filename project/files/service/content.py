"""Bytes in and bytes out. One door for all that come in: a check stands here or nowhere."""

from collections.abc import Iterable
from typing import Any, TypeAlias
from uuid import UUID, uuid4

from flask import current_app
from sqlalchemy import insert

from project.core.clock import now
from project.core.database.session import AnyRow, atomic, db
from project.core.database.upsert import insert_or
from project.core.errors import Malformed
from project.core.storage import Stored
from project.files import blobs
from project.files.errors import FileNotFound
from project.files.filenames import clean_name, clean_type
from project.files.models import Blob, File, FileTag, Version
from project.files.sniffing import sniff

from .files import Expected, change_file, get_file, get_live, hold_live
from .malware_scanning import open_clean, request_scan
from .quota import discharge, settle
from .upload_reservations import Reserved, finish, hold_owner, open_upload
from .version_deletion import drop_versions

# Columns of bytes, with what stands in them.
Known: TypeAlias = dict[str, Any]


def store_file(
    owner_id: int,
    stream: blobs.Stream,
    *,
    name: str | None = None,
    tags: Iterable[str] = (),
    length: int | None = None,
    declared_type: str | None = None,
) -> AnyRow:
    """Keep a stream as a file of the owner's; acknowledged only when it would survive a power cut.

    :param length: how many bytes are announced, if any are: what cannot fit is refused unread.
    :param declared_type: what the client says it is; kept, and not believed.

    Refuses with FileTooLarge, QuotaExceeded and NameInvalid; with Malformed what ended too early.
    """
    clean_name(name)  # Or refused, before anything is read.
    with _received(owner_id, stream, length) as upload:
        return store_upload(owner_id, upload, name=name, tags=tags, declared_type=declared_type)


def store_upload(
    owner_id: int,
    upload: Reserved,
    *,
    name: str | None = None,
    tags: Iterable[str] = (),
    declared_type: str | None = None,
) -> AnyRow:
    """Keep what was written as a file of the owner's, as durably as `store_file`.

    Refuses with QuotaExceeded and NameInvalid.
    """
    shown = clean_name(name)
    upload.prepare()
    return _admit_upload(owner_id, upload, shown, frozenset(tags), declared_type)


def replace_content(
    owner_id: int,
    file_id: UUID,
    stream: blobs.Stream,
    *,
    length: int | None = None,
    declared_type: str | None = None,
    expected: Expected = None,
) -> AnyRow:
    """Give a file new bytes; those before stay as a version of it. As durable as `store_file`.

    Refuses with FileNotFound, also for trash, FileChanged, FileTooLarge and QuotaExceeded.
    """
    get_live(owner_id, file_id)
    with _received(owner_id, stream, length) as upload:
        return replace_with_upload(
            owner_id, file_id, upload, declared_type=declared_type, expected=expected
        )


def replace_with_upload(
    owner_id: int,
    file_id: UUID,
    upload: Reserved,
    *,
    declared_type: str | None = None,
    expected: Expected = None,
) -> AnyRow:
    """Give a file what was written as its new bytes, as `replace_content` does."""
    upload.prepare()
    return _admit_version(owner_id, file_id, upload, declared_type, expected)


@atomic()
def restore_version(
    owner_id: int, file_id: UUID, number: int, *, expected: Expected = None
) -> AnyRow:
    """Go back to the bytes of a version: they become the newest, and the others stay.

    Refuses with FileNotFound, FileChanged, and QuotaExceeded: it is one more.
    """
    hold_live(owner_id, file_id)
    version = get_version(file_id, number)
    settle(owner_id, 0, version.size)
    said = {'declared_type': version.declared_type, 'scan': version.scan}
    _add_version(owner_id, file_id, _bytes_of(version), said, expected)
    return get_file(owner_id, file_id)


def open_content(owner_id: int, file_id: UUID) -> tuple[AnyRow, Stored]:
    """Return the owner's file and its open bytes.

    Refuses with FileNotFound, also for trash, and as `check_clean` does.
    """
    file = get_live(owner_id, file_id)
    return file, open_clean(file)


def open_version(owner_id: int, file_id: UUID, number: int) -> tuple[str, AnyRow, Stored]:
    """Return a file's name, a version of it and its open bytes; refuses as `open_content`."""
    file = get_live(owner_id, file_id)
    version = get_version(file_id, number)
    return file.name, version, open_clean(version)


def get_version(file_id: UUID, number: int) -> AnyRow:
    """Return a version of a file, or refuse with FileNotFound."""
    version = Version.find(file_id, number)
    if version is None:
        raise FileNotFound
    return version


def _received(owner_id: int, stream: blobs.Stream, length: int | None) -> Reserved:
    """Take a stream in to its end, which is not before the announced length."""
    upload = open_upload(owner_id, least=length or 0)
    try:
        upload.fill(stream)
        if length is not None and upload.size < length:
            raise Malformed('Ended before its announced length')
    except BaseException:
        upload.close()
        raise
    return upload


@atomic()
def _admit_upload(
    owner_id: int, upload: Reserved, name: str, tags: frozenset[str], declared_type: str | None
) -> AnyRow:
    hold_owner(owner_id)
    return admit_file(
        owner_id, upload, name, tags, declared_type=declared_type, reserved=finish(upload)
    )


def admit_file(
    owner_id: int,
    arrived: blobs.Incoming | blobs.Arrived,
    name: str,
    tags: frozenset[str] = frozenset(),
    *,
    declared_type: str | None,
    reserved: int,
) -> AnyRow:
    """Make a file of bytes that have arrived and are synced. Inside `atomic`, their owner held.

    :param reserved: the room that was kept for them.
    """
    content = _admit(owner_id, arrived, reserved)
    file_id = uuid4()
    db.session.execute(insert(File).values(id=file_id, owner_id=owner_id, name=name, **content))
    _insert_version(file_id, 1, content, {'declared_type': clean_type(declared_type)})
    if tags:
        db.session.execute(insert(FileTag), [{'file_id': file_id, 'tag': tag} for tag in tags])
    return get_file(owner_id, file_id)


@atomic()
def _admit_version(
    owner_id: int, file_id: UUID, upload: Reserved, declared_type: str | None, expected: Expected
) -> AnyRow:
    hold_owner(owner_id)
    reserved = finish(upload)
    hold_live(owner_id, file_id)
    content = _admit(owner_id, upload, reserved)
    said = {'declared_type': clean_type(declared_type)}
    _add_version(owner_id, file_id, content, said, expected)
    return get_file(owner_id, file_id)


def _admit(owner_id: int, upload: blobs.Incoming | blobs.Arrived, reserved: int) -> Known:
    """Let bytes in: room, and their place. Return what is known of them."""
    settle(owner_id, reserved, upload.size)
    # Writing the row, also where it is there, locks it: the sweeper cannot come in between.
    row = {'sha256': upload.sha256, 'size': upload.size, 'created_at': now()}
    db.session.execute(insert_or(Blob, row, conflict=['sha256'], change={'size': upload.size}))
    upload.keep()
    return {'sha256': upload.sha256, 'size': upload.size, 'type': sniff(upload.head)}


def _add_version(
    owner_id: int, file_id: UUID, content: Known, said: Known, expected: Expected
) -> None:
    """Make bytes the newest of a file, and let go of versions beyond those that are kept."""
    change_file(owner_id, file_id, {**content, 'number': File.number + 1}, expected, live=True)
    newest = get_file(owner_id, file_id).number
    _insert_version(file_id, newest, content, said)
    kept = current_app.config['FILES_VERSIONS_KEPT']
    surplus = (Version.file_id == file_id) & (Version.number <= newest - kept)
    discharge(owner_id, drop_versions(surplus))


def _insert_version(file_id: UUID, number: int, content: Known, said: Known) -> None:
    version = {'file_id': file_id, 'number': number, **content, **said}
    db.session.execute(insert(Version).values(**version))
    if version.get('scan') is None:
        request_scan(file_id, number)


def _bytes_of(version: AnyRow) -> Known:
    return {'sha256': version.sha256, 'size': version.size, 'type': version.type}
