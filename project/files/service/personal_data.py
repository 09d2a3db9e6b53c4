"""What files holds about a user: how it is shown, and how it is let go of."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select

from project.core.database.keyset_pagination import iterate_in_batches, iterate_pages
from project.core.database.session import AnyRow, AnySelect, db
from project.core.errors import ServiceUnavailable
from project.files import blobs
from project.files.models import File, Link, Upload, Usage, Version
from project.users.personal_data import ExportFile, json_part, register_personal_data

from .files import delete_file_rows, list_files
from .malware_scanning import is_clean
from .quota import get_usage
from .upload_reservations import delete_uploads

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
    Version.file_id, Version.number, Version.sha256, Version.scan, File.name
).join(File, File.id == Version.file_id)  # fmt: skip


def export_files(user_id: int) -> Iterator[ExportFile]:
    """Yield a user's files, those in the trash as well: what is known of them, and their bytes."""
    yield json_part('files/usage.json', [get_usage(user_id)])
    yield json_part('files/uploads.json', Upload.find_all(user_id))
    yield json_part('files/files.json', map(_exported_file, _files_of(user_id)))
    yield json_part(
        'files/versions.json', _theirs(user_id, EXPORTED_VERSIONS, Version.file_id, Version.number)
    )
    yield json_part('files/links.json', _theirs(user_id, EXPORTED_LINKS, Link.file_id, Link.id))
    for version in _theirs(user_id, EXPORTED_CONTENTS, Version.file_id, Version.number):
        if not is_clean(version.scan):
            # What became of it says `files/versions.json`.
            continue
        path = f'files/content/{version.file_id}/{version.number}/{version.name}'
        yield ExportFile(path, _blocks_of(user_id, version.file_id, version.sha256), True)


@register_personal_data(
    'files',
    tables={
        'files': 'files/files.json',
        'files_tags': 'files/files.json',
        'files_versions': 'files/versions.json',
        'files_links': 'files/links.json',
        # Made of what is shown, and of no use without it.
        'files_thumbnails': None,
        'files_usage': 'files/usage.json',
        'files_uploads': 'files/uploads.json',
    },
    export=export_files,
)
def erase_file_data(user_id: int) -> None:
    """Let go of a leaving user's files; the sweeper sees to bytes that nobody else has."""
    # The ledger last: whoever else needs it and one of these takes them in this order.
    delete_uploads(Upload.owner_id == user_id)
    delete_file_rows(File.owner_id == user_id)
    db.session.execute(delete(Usage).where(Usage.user_id == user_id))


def _files_of(user_id: int) -> Iterator[AnyRow]:
    for trashed in (False, True):
        yield from iterate_pages(
            lambda page, filters={'trashed': trashed}: list_files(  # type: ignore[misc]
                user_id, replace(page, filters=filters)
            )
        )


def _exported_file(file: AnyRow) -> dict[str, Any]:
    """Return a file under the field names of the export, which do not follow the columns."""
    fields = file._asdict()
    return {'number': fields.pop('current_version'), **fields}


def _theirs(user_id: int, rows: AnySelect, *keys: Any) -> Iterator[AnyRow]:
    """Yield what hangs on a user's files: a few hundred at a time, not file by file."""
    return iterate_in_batches(rows.where(File.owner_id == user_id), *keys)


def _blocks_of(user_id: int, file_id: UUID, sha256: str) -> Iterator[bytes]:
    try:
        yield from blobs.iter_chunks(sha256)
    except ServiceUnavailable:
        if File.find_owned(user_id, file_id) is not None:
            raise
        # Deleted for good since it was listed, and swept.
