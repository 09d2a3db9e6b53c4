"""Emptying of the trash: files become invisible immediately, and a task deletes their rows."""

from datetime import timedelta

from sqlalchemy import func, select, update

from project.core.clock import now
from project.core.database.session import db, locks_user
from project.core.tasks import enqueue, task
from project.files.models import File, Usage

from .files import BATCH_FILES, delete_files


@locks_user('owner_id')
def empty_trash(owner_id: int) -> None:
    """Delete the files that are in the owner's trash at this moment.

    After the commit, no function finds them. A task deletes their rows in batches; the usage
    decreases with each batch. The duration of this call does not depend on the number of files.
    """
    # `moment` must be later than each `trashed_at` in the trash, even if the clock was set back.
    newest = select(func.max(File.trashed_at)).where(File.owner_id == owner_id)
    known = [Usage.find_trash_emptied_at(owner_id), db.session.scalar(newest)]
    moment = max([now(), *filter(None, known)]) + timedelta(microseconds=1)
    emptied = update(Usage).where(Usage.user_id == owner_id).values(trash_emptied_at=moment)
    # If the owner has no row in `files_usage`, there are no files.
    if db.session.scalar(emptied.returning(Usage.user_id)) is not None:
        enqueue(delete_emptied_trash, owner_id)


@task(
    idempotent='each batch is committed, and a second run continues after the last one',
    unique=['owner_id'],
    subject_argument='owner_id',
    time_limit=timedelta(hours=1),
    queue='slow',
)
def delete_emptied_trash(owner_id: int) -> None:
    """Delete the rows of the files that were in the trash when the owner emptied it."""
    while _delete_batch(owner_id) == BATCH_FILES:
        pass


@locks_user('owner_id')
def _delete_batch(owner_id: int) -> int:
    emptied_at = Usage.find_trash_emptied_at(owner_id)
    if emptied_at is None:
        return 0
    return delete_files(owner_id, (File.owner_id == owner_id) & (File.trashed_at < emptied_at))
