"""Deletion of file versions and of their thumbnails."""

from sqlalchemy import ColumnElement, delete, select

from project.core.database.session import db
from project.core.stored_objects import release_objects
from project.files import blobs
from project.files.models import Thumbnail, Version
from project.files.rows import FreedBytes


def delete_versions(which: ColumnElement[bool]) -> FreedBytes:
    """Delete matching versions and their thumbnails; return the freed bytes. Use it in `atomic`.

    A task deletes their stored objects later, unless another version has the same bytes.
    """
    of_these = (Version.file_id == Thumbnail.file_id) & (Version.number == Thumbnail.number)
    made = select(Thumbnail.storage_key, Thumbnail.size).join(Version, of_these).where(which)
    made = made.where(Thumbnail.storage_key.is_not(None)).with_for_update(of=Thumbnail)
    thumbnails = db.session.execute(made).all()
    gone = delete(Version).where(which).returning(Version.sha256, Version.size)
    versions = db.session.execute(gone).all()
    release_objects(
        [*(row.storage_key for row in thumbnails), *(blobs.key_of(row.sha256) for row in versions)]
    )
    return FreedBytes(
        versions=sum(row.size for row in versions),
        # Thumbnails that an earlier release has made have no size.
        thumbnails=sum(row.size or 0 for row in thumbnails),
    )
