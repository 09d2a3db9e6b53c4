"""Metadata of files: list, change, trash, restore and delete."""

from collections.abc import Mapping
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, case, delete, insert, literal, select, update

from project.core.clock import now
from project.core.database.keyset_pagination import Page, PageRequest
from project.core.database.session import atomic, db
from project.core.database.types import UTCDateTime
from project.core.version_preconditions import ANY_VERSION, Precondition
from project.files.errors import FileChanged, FileNotFound
from project.files.filenames import clean_name
from project.files.models import (
    FILES,
    NOT_EMPTIED,
    VERSIONS,
    VERSIONS_OF_FILE,
    File,
    FileTag,
    Usage,
    Version,
)
from project.files.rows import FileRow, OwnedFileRow, VersionRow

from .quota import decrease_usage
from .version_deletion import delete_versions

Values: TypeAlias = Mapping[str, Any]

find_file = File.find_owned

BATCH_FILES = 250


def list_files(owner_id: int, page: PageRequest) -> Page[FileRow]:
    """Return a page of the owner's files; with the filter `trashed`, of those in the trash."""
    values = {'trashed': False, **page.filters}
    names = frozenset(name for name in page.filters if name != 'trashed' or values['trashed'])
    return FILES.page(File.filtered(names), page, owner_id=owner_id, **values)


def get_file(owner_id: int, file_id: UUID) -> OwnedFileRow:
    """Return the owner's file, even if it is in the trash, or raise FileNotFound."""
    file = File.find_owned(owner_id, file_id)
    if file is None:
        raise FileNotFound
    return file


def get_untrashed(owner_id: int, file_id: UUID) -> OwnedFileRow:
    """Return the owner's file. Raise FileNotFound if it is missing or in the trash."""
    file = get_file(owner_id, file_id)
    if file.trashed_at is not None:
        raise FileNotFound
    return file


def lock_file(owner_id: int, file_id: UUID) -> None:
    """Lock the owner's file. Raise FileNotFound if it is missing or in the trash."""
    mine = select(File.id).where(File.owner_id == owner_id, File.id == file_id)
    db.session.execute(mine.with_for_update())
    get_untrashed(owner_id, file_id)


@atomic()
def update_file(
    owner_id: int, file_id: UUID, changes: Values, *, expected: Precondition = ANY_VERSION
) -> OwnedFileRow:
    """Change the `name`, the `tags` or both of a file.

    :param expected: the condition on the row version (`If-Match`).
    :raises FileNotFound: if the owner has no such file, or it is in the trash.
    :raises FileChanged: if the file has another row version.
    :raises NameInvalid: if the name is too long.
    """
    values = {'name': clean_name(changes['name'])} if 'name' in changes else {}
    update_file_row(owner_id, file_id, values, expected.on(File.row_version), live=True)
    if 'tags' in changes:
        db.session.execute(delete(FileTag).where(FileTag.file_id == file_id))
        rows = [{'file_id': file_id, 'tag': tag} for tag in set(changes['tags'])]
        if rows:
            db.session.execute(insert(FileTag), rows)
    return get_file(owner_id, file_id)


@atomic()
def trash_file(owner_id: int, file_id: UUID, *, expected: Precondition = ANY_VERSION) -> None:
    """Move a file to the trash. It can be restored until it is deleted as expired trash.

    :raises FileNotFound: if the owner has no such file.
    :raises FileChanged: if the file has another row version than the expected ones.
    """
    # The stored `trash_emptied_at` is in the future if the clock of another process was ahead. Then
    # use it as `trashed_at`. With an earlier time, the file would count as deleted.
    moment = literal(now(), UTCDateTime)
    emptied_at = select(Usage.trash_emptied_at).where(Usage.user_id == owner_id).scalar_subquery()
    trashed_at = case((emptied_at > moment, emptied_at), else_=moment)
    _move_to_trash(owner_id, file_id, trashed_at, expected)


@atomic()
def restore_file(
    owner_id: int, file_id: UUID, *, expected: Precondition = ANY_VERSION
) -> OwnedFileRow:
    """Restore a file from the trash. Do nothing if it is not in the trash.

    :raises FileNotFound: if the owner has no such file.
    :raises FileChanged: if the file has another row version than the expected ones.
    """
    _move_to_trash(owner_id, file_id, None, expected)
    return get_file(owner_id, file_id)


@atomic()
def delete_file(owner_id: int, file_id: UUID, *, expected: Precondition = ANY_VERSION) -> None:
    """Delete a file permanently. If no other file has the same bytes, they are deleted later.

    :raises FileNotFound: if the owner has no such file.
    :raises FileChanged: if the file has another row version than the expected ones.
    """
    which = (File.owner_id == owner_id) & (File.id == file_id) & NOT_EMPTIED
    which &= expected.on(File.row_version)
    if not delete_files(owner_id, which):
        raise FileNotFound if File.find_owned(owner_id, file_id) is None else FileChanged


def delete_files(owner_id: int, which: ColumnElement[bool]) -> int:
    """Delete at most `BATCH_FILES` files that match `which`. Call it inside `atomic`.

    Their versions are deleted, too. The usage of the owner decreases with each call.

    :returns: the number of deleted files; if it is `BATCH_FILES`, there may be more.
    """
    ids = db.session.scalars(select(File.id).where(which).limit(BATCH_FILES).with_for_update())
    if batch := list(ids):
        freed = delete_versions(Version.file_id.in_(batch))
        db.session.execute(delete(File).where(File.id.in_(batch)))
        decrease_usage(owner_id, freed)
    return len(batch)


def list_versions(owner_id: int, file_id: UUID, page: PageRequest) -> Page[VersionRow]:
    """Return a page of the versions of the owner's file, or raise FileNotFound."""
    get_file(owner_id, file_id)
    return VERSIONS.page(VERSIONS_OF_FILE, page, file_id=file_id)


def _move_to_trash(owner_id: int, file_id: UUID, to: Any, expected: Precondition) -> None:
    """Move a file to the trash, or restore it. Do nothing if it is there, or restored, already.

    :param to: the time of the move, or None to restore the file.
    """
    file = get_file(owner_id, file_id)
    if (file.trashed_at is None) != (to is None):
        condition = expected.on(File.row_version)
        update_file_row(owner_id, file_id, {'trashed_at': to}, condition, live=to is not None)
    elif not expected.allows(str(file.version)):
        raise FileChanged


def update_file_row(
    owner_id: int, file_id: UUID, values: Values, condition: ColumnElement[bool], *, live: bool
) -> None:
    """Compare a condition and change the row in one statement. Call it inside `atomic`.

    :param condition: the condition on the version, from a `Precondition`.
    :param live: True if the file must not be in the trash, False if it must be in the trash.
    :raises FileNotFound: if the file does not exist.
    :raises FileChanged: if the file does not meet the condition.
    """
    wanted = File.trashed_at.is_(None) if live else File.trashed_at.is_not(None)
    change = update(File).where(File.owner_id == owner_id, File.id == file_id, wanted, condition)
    change = change.values(**values, row_version=File.row_version + 1, updated_at=now())
    if db.session.execute(change.returning(File.id)).one_or_none() is None:
        file = File.find_owned(owner_id, file_id)
        raise FileNotFound if file is None or (file.trashed_at is None) != live else FileChanged
