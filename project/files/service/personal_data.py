"""Export and erasure of the personal data of the feature `files`."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeVarTuple
from uuid import UUID

from sqlalchemy import Row, Select, delete, select

from project.core.database.keyset_pagination import iterate_in_batches, iterate_pages
from project.core.database.session import db
from project.core.errors import ServiceUnavailable
from project.files import blobs
from project.files.models import NOT_EMPTIED, File, Link, Upload, Usage, Version
from project.files.rows import FileRow
from project.users.personal_data import ExportFile, json_part, register_personal_data

from .files import BATCH_FILES, delete_files, list_files
from .malware_scanning import is_clean
from .quota import get_usage
from .upload_reservations import cancel_uploads

Ts = TypeVarTuple('Ts')

EXPORTED_VERSIONS = select(
    Version.file_id,
    Version.number,
    Version.size,
    Version.type,
    Version.declared_type,
    Version.sha256,
    Version.scan,
    Version.created_at,
).join(File, File.id == Version.file_id)

EXPORTED_LINKS = select(
    Link.file_id, Link.id, Link.created_at, Link.expires_at, Link.max_downloads, Link.downloads,
    Link.password_hash.is_not(None).label('has_password'),
).join(File, File.id == Link.file_id)  # fmt: skip

EXPORTED_CONTENTS = select(
    Version.file_id, Version.number, Version.sha256, Version.scan, Version.created_at, File.name
).join(File, File.id == Version.file_id)  # fmt: skip


def export_files(user_id: int) -> Iterator[ExportFile]:
    """Yield export files with metadata and content of a user's files, trash included."""
    yield json_part('files/usage.json', [get_usage(user_id)])
    yield json_part('files/uploads.json', Upload.find_all(user_id))
    yield json_part('files/files.json', map(_exported_file, _files_of(user_id)))
    yield json_part(
        'files/versions.json', _theirs(user_id, EXPORTED_VERSIONS, Version.file_id, Version.number)
    )
    yield json_part('files/links.json', _theirs(user_id, EXPORTED_LINKS, Link.file_id, Link.id))
    for version in _theirs(user_id, EXPORTED_CONTENTS, Version.file_id, Version.number):
        if not is_clean(version.scan):
            # Its content must not be sent. `files/versions.json` contains the result of the scan.
            continue
        path = f'files/content/{version.file_id}/{version.number}/{version.name}'
        blocks = _blocks_of(user_id, version.file_id, version.sha256)
        yield ExportFile(path, blocks, is_packed=True, modified_at=version.created_at)


@register_personal_data(
    'files',
    tables={
        'files': 'files/files.json',
        'files_tags': 'files/files.json',
        'files_versions': 'files/versions.json',
        'files_links': 'files/links.json',
        # Thumbnails are not exported, because they are made from the exported content.
        'files_thumbnails': None,
        'files_usage': 'files/usage.json',
        'files_uploads': 'files/uploads.json',
    },
    export=export_files,
)
def erase_file_data(user_id: int) -> bool:
    """Delete a batch of a deleted user's data; return whether there may be more.

    Garbage collection deletes bytes that no other user has. The usage decreases with each batch.
    Its row is deleted last, because other transactions lock the rows in this order.
    """
    uploads = select(Upload.id).where(Upload.owner_id == user_id).limit(BATCH_FILES)
    if batch := db.session.scalars(uploads).all():
        cancel_uploads(Upload.id.in_(batch))
    elif not delete_files(user_id, File.owner_id == user_id):
        db.session.execute(delete(Usage).where(Usage.user_id == user_id))
        return False
    return True


def _files_of(user_id: int) -> Iterator[FileRow]:
    for trashed in (False, True):
        yield from iterate_pages(
            lambda page, filters={'trashed': trashed}: list_files(  # type: ignore[misc]
                user_id, replace(page, filters=filters)
            )
        )


def _exported_file(file: FileRow) -> dict[str, Any]:
    """Return a file with the names that the fields have in an export."""
    fields = file._asdict()
    return {'number': fields.pop('current_version'), **fields}


def _theirs(user_id: int, rows: Select[*Ts], *keys: Any) -> Iterator[Row[*Ts]]:
    """Yield the selected rows of a user's files, read in batches."""
    return iterate_in_batches(rows.where(File.owner_id == user_id, NOT_EMPTIED), *keys)


def _blocks_of(user_id: int, file_id: UUID, sha256: str) -> Iterator[bytes]:
    try:
        yield from blobs.iter_chunks(sha256)
    except ServiceUnavailable:
        if File.find_owned(user_id, file_id) is not None:
            raise
        # The file and its bytes were deleted since the query.
