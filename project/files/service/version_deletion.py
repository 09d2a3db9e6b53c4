"""Deletion of versions, and of what was made of them."""

from sqlalchemy import ColumnElement, delete, select

from project.core.database.session import db
from project.core.stored_objects import release_objects
from project.files import blobs
from project.files.models import Thumbnail, Version


def delete_versions(which: ColumnElement[bool]) -> int:
    """Delete versions and their thumbnails, and return how many bytes the versions were.

    In the caller's transaction. Bytes that no other version has are removed soon after it.
    """
    of_these = (Version.file_id == Thumbnail.file_id) & (Version.number == Thumbnail.number)
    thumbnails = select(Thumbnail.storage_key).join(Version, of_these).where(which)
    keys = {key for key in db.session.scalars(thumbnails) if key}
    size = 0
    for version in db.session.execute(
        delete(Version).where(which).returning(Version.sha256, Version.size)
    ):
        keys.add(blobs.key_of(version.sha256))
        size += version.size
    release_objects(keys)
    return size
