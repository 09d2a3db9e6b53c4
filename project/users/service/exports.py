"""Exports: a task writes all personal data of a user, from all features, to one ZIP."""

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, select, update

from project.core.clock import now
from project.core.database.keyset_pagination import Page, PageRequest
from project.core.database.session import AnySelect, atomic, db, locks_user
from project.core.mail import send_mail
from project.core.semaphore import InterprocessSemaphore
from project.core.storage import StoredObject
from project.core.stored_objects import (
    NewObject,
    ObjectKind,
    create_object,
    register_object_kind,
    release_objects,
)
from project.core.tasks import TaskSlot, enqueue, task
from project.core.zip_streams import ZipWriter
from project.users import object_storage
from project.users.errors import (
    ExportNotFound,
    ExportNotReady,
    ExportUnderWay,
)
from project.users.models import EXPORTS, EXPORTS_OF_USER, PENDING, READY, Export
from project.users.personal_data import personal_data_registry
from project.users.rows import ExportRow
from project.users.signals import export_requested

from .users import get_user, is_active

EXPORT_LIFETIME = timedelta(days=7)
BATCH_EXPORTS = 500

register_object_kind(
    ObjectKind(prefix='exports', reference=Export.storage_key, size=Export.size), owner=__name__
)

# A limit of one export at a time in all processes of the service, so that many exports do not block
# other tasks.
export_slot = InterprocessSemaphore()


@locks_user('user_id')
def request_export(user_id: int) -> ExportRow:
    """Enqueue an export of all data of a user.

    A mail notifies the user when the export is ready. It then replaces the previous one. So the
    exports of a user take at most the space of two exports.

    :raises ExportUnderWay: if another export is pending.
    """
    if any(export.state == PENDING for export in Export.find_all(user_id)):
        raise ExportUnderWay
    export_id = uuid4()
    task_id = enqueue(make_export, str(export_id), user_id)
    db.session.add(
        Export(id=export_id, user_id=user_id, task_id=task_id, expires_at=now() + EXPORT_LIFETIME)
    )
    export_requested.send('users', user_id=user_id)
    return get_export(user_id, export_id)


def list_exports(user_id: int, page: PageRequest) -> Page[ExportRow]:
    """Return a page of the exports of a user."""
    return EXPORTS.page(EXPORTS_OF_USER, page, user_id=user_id, moment=now())


def get_export(user_id: int, export_id: UUID) -> ExportRow:
    """Return the export with an id of a user.

    :raises ExportNotFound: if the user has no such export, or it has expired.
    """
    export = Export.find_owned(user_id, export_id)
    if export is None:
        raise ExportNotFound
    return export


def open_export(user_id: int, export_id: UUID) -> tuple[ExportRow, StoredObject]:
    """Return an export of a user, and its ZIP opened for reading.

    :raises ExportNotFound: if the user has no such export, or it has expired.
    :raises ExportNotReady: if it is pending or has failed.
    """
    export = get_export(user_id, export_id)
    if export.state != READY:
        raise ExportNotReady
    key = Export.find_storage_key(export_id)
    if key is None:
        raise ExportNotFound
    return export, object_storage.open_object(key)


@task(
    idempotent='a second run does not change a ready export',
    queue='slow',
    slot=TaskSlot('export', partial(export_slot.has_free_slot, 1)),
    attempts=20,  # For about four hours: the delay between attempts is at most 15 minutes.
    time_limit=timedelta(hours=6),
    subject_argument='user_id',
)
def make_export(export_id: str, user_id: int) -> None:
    """Write the ZIP of an export, or delete the export if its user is not active."""
    wanted = UUID(export_id)
    if _delete_if_disabled(wanted, user_id):
        return
    with (
        export_slot.acquire(1, timeout=0),
        create_object() as new,
    ):
        _write(new, user_id)
        # Each attempt has its own key, because an earlier attempt that hangs may still write.
        key = object_storage.new_export_key(wanted)
        new.prepare(key)
        _publish(wanted, user_id, key, new)


@task(
    idempotent='a second run finds no expired exports',
    queue='slow',
    cron='27 3 * * *',
    time_limit=timedelta(hours=1),
)
def delete_expired_exports() -> None:
    """Delete expired exports every night, in batches."""
    is_expired = Export.expires_at <= now()
    while _delete_batch(select(Export.id).where(is_expired).limit(BATCH_EXPORTS)):
        pass


@atomic()
def _delete_batch(batch: AnySelect) -> int:
    # A CTE, because PostgreSQL may execute a subquery repeatedly, and would then delete more rows.
    return delete_exports(Export.id.in_(select(batch.cte('batch'))))


def delete_exports(which: Any) -> int:
    """Delete exports in the caller's transaction; return their number.

    Their stored objects are released, so that a task deletes them.

    :param which: the SQL condition that selects the exports.
    """
    keys = db.session.scalars(delete(Export).where(which).returning(Export.storage_key)).all()
    release_objects(key for key in keys if key)
    return len(keys)


@locks_user('user_id')
def _delete_if_disabled(export_id: UUID, user_id: int) -> bool:
    """Delete an export if its user is disabled or deleted; return whether it was deleted."""
    if is_active(user_id):
        return False
    delete_exports(Export.id == export_id)
    return True


@locks_user('user_id')
def _publish(export_id: UUID, user_id: int, key: str, new: NewObject) -> None:
    """Publish the ZIP of an export: the user can then download it.

    Do nothing if the export or its user is deleted, or if another run has published the export.
    """
    if _delete_if_disabled(export_id, user_id):
        return
    made = update(Export).where(Export.id == export_id, Export.state == PENDING)
    made = made.values(
        state=READY, storage_key=key, size=new.size, sha256=new.sha256,
        expires_at=now() + EXPORT_LIFETIME,
    )  # fmt: skip
    if db.session.execute(made.returning(Export.id)).one_or_none() is None:
        return
    delete_exports((Export.user_id == user_id) & (Export.id != export_id) & (Export.state == READY))
    new.publish(key)
    user = get_user(user_id)
    send_mail('export_ready', to=user.email, about=user_id, username=user.username)


def _write(target: Any, user_id: int) -> None:
    archive = ZipWriter(target)
    for personal_data in reversed(personal_data_registry()):
        for part in personal_data.files(user_id):
            moment = part.modified_at or now()
            archive.add(part.path, moment, part.chunks, is_packed=part.is_packed)
    archive.finish()
