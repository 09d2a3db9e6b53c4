"""Bytes in and bytes out. One door for all that come in: a check stands here or nowhere."""

from collections.abc import Iterable
from typing import Any, TypeAlias
from uuid import UUID, uuid4

from flask import current_app
from sqlalchemy import delete, insert, select

from project.core.clock import now
from project.core.database.session import AnyRow, db, locks_user
from project.core.database.upsert import upsert
from project.core.errors import BadRequest
from project.core.storage import StoredObject
from project.core.stored_objects import ObjectKind, register_object_kind
from project.files import blobs
from project.files.errors import FileNotFound
from project.files.filenames import clean_name, clean_type
from project.files.models import Blob, File, FileTag, Version
from project.files.sniffing import sniff

from .files import Expected, get_file, get_untrashed, lock_file, update_file_row
from .malware_scanning import open_if_clean, request_scan
from .quota import commit_reservation, decrease_usage
from .upload_reservations import (
    ReservedUpload,
    complete_reservation,
    ensure_owner_active,
    open_upload,
)
from .version_deletion import delete_versions

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

    Refuses with FileTooLarge, QuotaExceeded and NameInvalid; with BadRequest what ended too early.
    """
    clean_name(name)  # Or refused, before anything is read.
    with _received(owner_id, stream, length) as upload:
        return store_upload(owner_id, upload, name=name, tags=tags, declared_type=declared_type)


def store_upload(
    owner_id: int,
    upload: ReservedUpload,
    *,
    name: str | None = None,
    tags: Iterable[str] = (),
    declared_type: str | None = None,
) -> AnyRow:
    """Keep what was written as a file of the owner's, as durably as `store_file`.

    Refuses with QuotaExceeded and NameInvalid.
    """
    shown = clean_name(name)
    upload.prepare_blob()
    return _create_file(owner_id, upload, shown, frozenset(tags), declared_type)


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
    get_untrashed(owner_id, file_id)
    with _received(owner_id, stream, length) as upload:
        return replace_with_upload(
            owner_id, file_id, upload, declared_type=declared_type, expected=expected
        )


def replace_with_upload(
    owner_id: int,
    file_id: UUID,
    upload: ReservedUpload,
    *,
    declared_type: str | None = None,
    expected: Expected = None,
) -> AnyRow:
    """Give a file what was written as its new bytes, as `replace_content` does."""
    upload.prepare_blob()
    return _add_uploaded_version(owner_id, file_id, upload, declared_type, expected)


def _delete_unused_blob(sha256: str) -> bool:
    """Delete the row of bytes that no version has, and return whether there was one."""
    # Locked before the question: it then sees a version that was committed in the meantime.
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
    owner_id: int, file_id: UUID, number: int, *, expected: Expected = None
) -> AnyRow:
    """Go back to the bytes of a version: they become the newest, and the others stay.

    Refuses with FileNotFound, FileChanged, and QuotaExceeded: it is one more.
    """
    lock_file(owner_id, file_id)
    version = get_version(file_id, number)
    commit_reservation(owner_id, 0, version.size)
    said = {'declared_type': version.declared_type, 'scan': version.scan}
    _add_version(owner_id, file_id, _bytes_of(version), said, expected)
    return get_file(owner_id, file_id)


def open_content(owner_id: int, file_id: UUID) -> tuple[AnyRow, StoredObject]:
    """Return the owner's file and its open bytes.

    Refuses with FileNotFound, also for trash, and as `check_clean` does.
    """
    file = get_untrashed(owner_id, file_id)
    return file, open_if_clean(file)


def open_version(owner_id: int, file_id: UUID, number: int) -> tuple[str, AnyRow, StoredObject]:
    """Return a file's name, a version of it and its open bytes; refuses as `open_content`."""
    file = get_untrashed(owner_id, file_id)
    version = get_version(file_id, number)
    return file.name, version, open_if_clean(version)


def get_version(file_id: UUID, number: int) -> AnyRow:
    """Return a version of a file, or refuse with FileNotFound."""
    version = Version.find(file_id, number)
    if version is None:
        raise FileNotFound
    return version


def _received(owner_id: int, stream: blobs.Stream, length: int | None) -> ReservedUpload:
    """Take a stream in to its end, which is not before the announced length."""
    upload = open_upload(owner_id, least=length or 0)
    try:
        upload.write_stream(stream)
        if length is not None and upload.size < length:
            raise BadRequest('Ended before its announced length')
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
) -> AnyRow:
    ensure_owner_active(owner_id)
    return create_file_from_blob(
        owner_id,
        upload,
        name,
        tags,
        declared_type=declared_type,
        reserved=complete_reservation(upload),
    )


def create_file_from_blob(
    owner_id: int,
    arrived: blobs.BlobWriter | blobs.AssembledUpload,
    name: str,
    tags: frozenset[str] = frozenset(),
    *,
    declared_type: str | None,
    reserved: int,
) -> AnyRow:
    """Make a file of bytes that have arrived and are synced. Inside `atomic`, their owner held.

    :param reserved: the room that was kept for them.
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
    expected: Expected,
) -> AnyRow:
    ensure_owner_active(owner_id)
    reserved = complete_reservation(upload)
    lock_file(owner_id, file_id)
    content = _save_blob(owner_id, upload, reserved)
    said = {'declared_type': clean_type(declared_type)}
    _add_version(owner_id, file_id, content, said, expected)
    return get_file(owner_id, file_id)


def _save_blob(
    owner_id: int, upload: blobs.BlobWriter | blobs.AssembledUpload, reserved: int
) -> Known:
    """Admit bytes: count them, write their row, and publish them with it. Return the columns."""
    commit_reservation(owner_id, reserved, upload.size)
    # The upsert locks the row, also where it exists: the garbage collector waits.
    row = {'sha256': upload.sha256, 'size': upload.size, 'created_at': now()}
    db.session.execute(upsert(Blob, row, conflict=['sha256'], change={'size': upload.size}))
    upload.publish_blob()
    return {'sha256': upload.sha256, 'size': upload.size, 'type': sniff(upload.head)}


def _add_version(
    owner_id: int, file_id: UUID, content: Known, said: Known, expected: Expected
) -> None:
    """Make bytes the newest of a file, and let go of versions beyond those that are kept."""
    update_file_row(
        owner_id,
        file_id,
        {**content, 'current_version': File.current_version + 1},
        expected,
        live=True,
    )
    newest = get_file(owner_id, file_id).current_version
    _insert_version(file_id, newest, content, said)
    kept = current_app.config['FILES_VERSIONS_KEPT']
    surplus = (Version.file_id == file_id) & (Version.number <= newest - kept)
    decrease_usage(owner_id, delete_versions(surplus))


def _insert_version(file_id: UUID, number: int, content: Known, said: Known) -> None:
    version = {'file_id': file_id, 'number': number, **content, **said}
    db.session.execute(insert(Version).values(**version))
    if version.get('scan') is None:
        request_scan(file_id, number)


def _bytes_of(version: AnyRow) -> Known:
    return {'sha256': version.sha256, 'size': version.size, 'type': version.type}
