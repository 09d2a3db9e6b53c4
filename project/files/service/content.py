"""Content of files. All new bytes pass through this module and its checks."""

from collections.abc import Iterable
from typing import Any, TypeAlias
from uuid import UUID, uuid4

from flask import current_app
from sqlalchemy import ColumnElement, delete, insert, select

from project.core.clock import now
from project.core.database.session import db, locks_user
from project.core.database.upsert import upsert
from project.core.errors import BadRequest
from project.core.storage import StoredObject
from project.core.stored_objects import ObjectKind, register_object_kind
from project.core.version_preconditions import ANY_VERSION, Precondition
from project.files import blobs
from project.files.errors import FileChanged, FileNotFound
from project.files.filenames import clean_name, clean_type
from project.files.models import Blob, File, FileTag, Version
from project.files.rows import OwnedFileRow, VersionRow
from project.files.sniffing import sniff

from .files import get_file, get_untrashed, lock_file, update_file_row
from .malware_scanning import open_if_clean, request_scan
from .quota import commit_reservation, decrease_usage
from .upload_reservations import (
    ReservedUpload,
    complete_reservation,
    ensure_owner_active,
    open_upload,
)
from .version_deletion import delete_versions

# Column values that describe the bytes of a file, by column name.
Known: TypeAlias = dict[str, Any]


def store_file(
    owner_id: int,
    stream: blobs.Stream,
    *,
    name: str | None = None,
    tags: Iterable[str] = (),
    length: int | None = None,
    declared_type: str | None = None,
) -> OwnedFileRow:
    """Store a stream as a new file of the owner. The file is durable when this returns.

    :param length: the announced number of bytes, or None. They are reserved before the first read.
    :param declared_type: the media type that the client sent; stored, but not trusted.
    :raises FileTooLarge: if there are more bytes than `FILES_MAX_SIZE`.
    :raises QuotaExceeded: if there are more bytes than the quota allows.
    :raises NameInvalid: if the name is too long.
    :raises BadRequest: if the stream ends before `length`.
    """
    clean_name(name)  # Reject an invalid name before reading.
    with _write_to_upload(owner_id, stream, length) as upload:
        return store_upload(owner_id, upload, name=name, tags=tags, declared_type=declared_type)


def store_upload(
    owner_id: int,
    upload: ReservedUpload,
    *,
    name: str | None = None,
    tags: Iterable[str] = (),
    declared_type: str | None = None,
) -> OwnedFileRow:
    """Store the bytes written to `upload` as a new file. It is durable when this returns.

    :raises QuotaExceeded: if the reservation has expired and the quota is exceeded.
    :raises NameInvalid: if the name is too long.
    """
    shown = clean_name(name)
    upload.prepare_blob()
    return _create_file(owner_id, upload, shown, frozenset(tags), declared_type)


def ensure_replaceable(owner_id: int, file_id: UUID, expected: Precondition) -> None:
    """Reject a new content before it is read. The transaction that stores it checks this again.

    :raises FileNotFound, FileChanged: as `replace_content` does.
    """
    if not expected.allows(get_untrashed(owner_id, file_id).sha256):
        raise FileChanged


def replace_content(
    owner_id: int,
    file_id: UUID,
    stream: blobs.Stream,
    *,
    length: int | None = None,
    declared_type: str | None = None,
    expected: Precondition = ANY_VERSION,
) -> OwnedFileRow:
    """Store a stream as the newest version of a file. It is durable when this returns.

    :param length: the announced number of bytes, or None. They are reserved before the first read.
    :param expected: the condition on the SHA-256 of the current content (`If-Match`).
    :raises FileNotFound: if the owner has no such file, or it is in the trash.
    :raises FileChanged: if the content does not meet the condition.
    :raises FileTooLarge: if there are more bytes than `FILES_MAX_SIZE`.
    :raises QuotaExceeded: if there are more bytes than the quota allows.
    :raises BadRequest: if the stream ends before `length`.
    """
    ensure_replaceable(owner_id, file_id, expected)
    with _write_to_upload(owner_id, stream, length) as upload:
        return replace_with_upload(
            owner_id, file_id, upload, declared_type=declared_type, expected=expected
        )


def replace_with_upload(
    owner_id: int,
    file_id: UUID,
    upload: ReservedUpload,
    *,
    declared_type: str | None = None,
    expected: Precondition = ANY_VERSION,
) -> OwnedFileRow:
    """Store the bytes of an upload as the newest version of a file. See `replace_content`.

    Call `ensure_replaceable` before the upload is written.
    """
    upload.prepare_blob()
    return _add_uploaded_version(owner_id, file_id, upload, declared_type, expected)


def _delete_unused_blob(sha256: str) -> bool:
    """Delete the row of a blob if no version refers to it; return whether it was deleted."""
    # Lock the row first, so that the query below sees versions committed in the meantime.
    db.session.execute(select(Blob.sha256).where(Blob.sha256 == sha256).with_for_update())
    is_used = select(Version.file_id).where(Version.sha256 == sha256).exists()
    unused = delete(Blob).where(Blob.sha256 == sha256, ~is_used).returning(Blob.sha256)
    return db.session.execute(unused).one_or_none() is not None


register_object_kind(
    ObjectKind(
        prefix='blobs',
        reference=Blob.sha256,
        size=Blob.size,
        key_of=blobs.key_of,
        reference_of=blobs.hash_of,
        delete_unused=_delete_unused_blob,
    ),
    owner=__name__,
)


@locks_user('owner_id')
def restore_version(
    owner_id: int, file_id: UUID, number: int, *, expected: Precondition = ANY_VERSION
) -> OwnedFileRow:
    """Store the bytes of an old version as the newest version. The other versions stay.

    :raises FileNotFound: if the version does not exist, or the file is in the trash.
    :raises FileChanged: if the file has another row version than the expected ones.
    :raises QuotaExceeded: if the quota does not allow one more version of that size.
    """
    lock_file(owner_id, file_id)
    version = get_version(file_id, number)
    commit_reservation(owner_id, 0, version.size)
    extra = {'declared_type': version.declared_type, 'scan': version.scan}
    _add_version(owner_id, file_id, _columns_of(version), extra, expected.on(File.row_version))
    return get_file(owner_id, file_id)


def open_content(owner_id: int, file_id: UUID) -> tuple[OwnedFileRow, StoredObject]:
    """Return the owner's file, and its content opened for reading.

    :raises FileNotFound: if the owner has no such file, or it is in the trash.
    :raises ScanPending, ScanInfected, Unscannable: as `check_clean` does.
    """
    file = get_untrashed(owner_id, file_id)
    return file, open_if_clean(file)


def open_version(owner_id: int, file_id: UUID, number: int) -> tuple[str, VersionRow, StoredObject]:
    """Return the name of a file, one of its versions, and the content of it opened for reading.

    Raises the same errors as `open_content`.
    """
    file = get_untrashed(owner_id, file_id)
    version = get_version(file_id, number)
    return file.name, version, open_if_clean(version)


def get_version(file_id: UUID, number: int) -> VersionRow:
    """Return a version of a file, or raise FileNotFound."""
    version = Version.find(file_id, number)
    if version is None:
        raise FileNotFound
    return version


def _write_to_upload(owner_id: int, stream: blobs.Stream, length: int | None) -> ReservedUpload:
    """Write a stream to a new upload. Raise BadRequest if it is shorter than `length`."""
    upload = open_upload(owner_id, least=length or 0)
    try:
        upload.write_stream(stream)
        if length is not None and upload.size < length:
            raise BadRequest('The body is shorter than its Content-Length')
    except BaseException:
        upload.close()
        raise
    return upload


@locks_user('owner_id')
def _create_file(
    owner_id: int,
    upload: ReservedUpload,
    name: str,
    tags: frozenset[str],
    declared_type: str | None,
) -> OwnedFileRow:
    ensure_owner_active(owner_id)
    reserved = complete_reservation(upload)
    return create_file_from_blob(
        owner_id, upload, name, tags, declared_type=declared_type, reserved=reserved
    )


def create_file_from_blob(
    owner_id: int,
    arrived: blobs.BlobWriter | blobs.AssembledUpload,
    name: str,
    tags: frozenset[str] = frozenset(),
    *,
    declared_type: str | None,
    reserved: int,
) -> OwnedFileRow:
    """Insert a file whose bytes are durable. Call it in a transaction that locks the owner.

    :param reserved: the bytes of the upload's reservation; the size of the file replaces them.
    """
    content = _save_blob(owner_id, arrived, reserved)
    file_id = uuid4()
    db.session.execute(insert(File).values(id=file_id, owner_id=owner_id, name=name, **content))
    _insert_version(file_id, 1, content, {'declared_type': clean_type(declared_type)})
    if tags:
        db.session.execute(insert(FileTag), [{'file_id': file_id, 'tag': tag} for tag in tags])
    return get_file(owner_id, file_id)


@locks_user('owner_id')
def _add_uploaded_version(
    owner_id: int,
    file_id: UUID,
    upload: ReservedUpload,
    declared_type: str | None,
    expected: Precondition,
) -> OwnedFileRow:
    ensure_owner_active(owner_id)
    reserved = complete_reservation(upload)
    lock_file(owner_id, file_id)
    content = _save_blob(owner_id, upload, reserved)
    extra = {'declared_type': clean_type(declared_type)}
    _add_version(owner_id, file_id, content, extra, expected.on(File.sha256))
    return get_file(owner_id, file_id)


def _save_blob(
    owner_id: int, upload: blobs.BlobWriter | blobs.AssembledUpload, reserved: int
) -> Known:
    """Commit the reservation and publish the blob; return the columns that describe it."""
    commit_reservation(owner_id, reserved, upload.size)
    # The upsert locks even an existing row, so that garbage collection waits.
    known = {'size': upload.size, 'crc32': upload.crc32}
    row = {'sha256': upload.sha256, 'created_at': now(), **known}
    db.session.execute(upsert(Blob, row, conflict=['sha256'], change=known))
    upload.publish_blob()
    return {'sha256': upload.sha256, 'size': upload.size, 'type': sniff(upload.head)}


def _add_version(
    owner_id: int, file_id: UUID, content: Known, extra: Known, condition: ColumnElement[bool]
) -> None:
    """Insert the newest version; delete the oldest versions beyond `FILES_VERSIONS_KEPT`."""
    changes = {**content, 'current_version': File.current_version + 1}
    update_file_row(owner_id, file_id, changes, condition, live=True)
    newest = get_file(owner_id, file_id).current_version
    _insert_version(file_id, newest, content, extra)
    kept = current_app.config['FILES_VERSIONS_KEPT']
    surplus = (Version.file_id == file_id) & (Version.number <= newest - kept)
    decrease_usage(owner_id, delete_versions(surplus))


def _insert_version(file_id: UUID, number: int, content: Known, extra: Known) -> None:
    version = {'file_id': file_id, 'number': number, **content, **extra}
    db.session.execute(insert(Version).values(**version))
    if version.get('scan') is None:
        request_scan(file_id, number)


def _columns_of(version: VersionRow) -> Known:
    return {'sha256': version.sha256, 'size': version.size, 'type': version.type}
