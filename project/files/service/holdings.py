"""What files holds about a user: how it is shown, and how it is let go of."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import delete

from project.core.data.database import AnyRow, db
from project.core.data.keyset import rows_of
from project.core.errors import Unavailable
from project.files import blobs
from project.files.models import LINKS, LINKS_OF, VERSIONS, VERSIONS_OF, File, Upload, Usage
from project.users.holdings import Part, holds, json_part

from .library import drop_files, list_files
from .uploads import drop_uploads
from .usage import get_usage


def export_files(user_id: int) -> Iterator[Part]:
    """Yield a user's files, those in the trash as well: what is known of them, and their bytes."""
    yield json_part('files/usage.json', [get_usage(user_id)])
    yield json_part('files/uploads.json', Upload.find_all(user_id))
    yield json_part('files/files.json', _files_of(user_id))
    yield json_part('files/versions.json', _versions_of(user_id))
    yield json_part('files/links.json', _links_of(user_id))
    for file in _files_of(user_id):
        for version in _all(file):
            path = f'files/content/{file.id}/{version.number}/{file.name}'
            yield Part(path, _blocks_of(user_id, file.id, version.sha256), True)


@holds(
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
def forget_files(user_id: int) -> None:
    """Let go of a leaving user's files; the sweeper sees to bytes that nobody else has."""
    # The ledger last: whoever else needs it and one of these takes them in this order.
    drop_uploads(Upload.owner_id == user_id)
    drop_files(File.owner_id == user_id)
    db.session.execute(delete(Usage).where(Usage.user_id == user_id))


def _files_of(user_id: int) -> Iterator[AnyRow]:
    for trashed in (False, True):
        yield from rows_of(
            lambda page, filters={'trashed': trashed}: list_files(  # type: ignore[misc]
                user_id, replace(page, filters=filters)
            )
        )


def _versions_of(user_id: int) -> Iterator[dict[str, Any]]:
    for file in _files_of(user_id):
        for version in _all(file):
            yield {'file_id': file.id, **version._asdict()}


def _links_of(user_id: int) -> Iterator[dict[str, Any]]:
    for file in _files_of(user_id):
        links = rows_of(lambda page, id=file.id: LINKS.page(LINKS_OF, page, file_id=id))  # type: ignore[misc]
        for link in links:
            yield {'file_id': file.id, **link._asdict()}


def _all(file: AnyRow) -> Iterator[AnyRow]:
    return rows_of(lambda page: VERSIONS.page(VERSIONS_OF, page, file_id=file.id))


def _blocks_of(user_id: int, file_id: UUID, sha256: str) -> Iterator[bytes]:
    try:
        stream = blobs.open_blob(sha256)
    except Unavailable:
        if File.find_of(user_id, file_id) is None:
            # Deleted for good since it was listed, and swept.
            return
        raise
    with closing(stream):
        while block := stream.read(blobs.BLOCK):
            yield block
