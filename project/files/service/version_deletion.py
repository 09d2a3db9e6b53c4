"""Letting go of versions, and of what was made of them."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select

from project.core.clock import now
from project.core.database.session import db
from project.core.tasks import enqueue_at, task
from project.files import blobs
from project.files.models import Thumbnail, Version

# Whoever has just read that a thumbnail is there has opened it by then.
DELETION_DELAY = timedelta(minutes=1)


def delete_versions(which: ColumnElement[bool]) -> int:
    """Delete versions, and return how many bytes they were. Inside `atomic`.

    Their bytes are the sweeper's, who asks whether anybody else has them; their thumbnails go soon.
    """
    of_these = (Version.file_id == Thumbnail.file_id) & (Version.number == Thumbnail.number)
    made = select(Thumbnail.file_id, Thumbnail.number, Thumbnail.edge).join(Version, of_these)
    for row in db.session.execute(made.where(which)).all():
        enqueue_at(
            now() + DELETION_DELAY, delete_thumbnail_blob, str(row.file_id), row.number, row.edge
        )
    gone = delete(Version).where(which).returning(Version.size)
    return sum(db.session.scalars(gone))


@task(unique=['file_id', 'number', 'edge'])
def delete_thumbnail_blob(file_id: str, number: int, edge: int) -> None:
    """Remove a thumbnail whose version is gone. Run twice, it finds none."""
    if Thumbnail.find(UUID(file_id), number, edge) is None:
        blobs.delete_thumbnail(UUID(file_id), number, edge)
