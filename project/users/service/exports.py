"""Exports: everything of a user's, from every feature, as one ZIP that is made as a task."""

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from sqlalchemy import delete, select, update

from project.core.clock import now
from project.core.database.keyset_pagination import Page, PageRequest
from project.core.database.session import AnyRow, AnySelect, atomic, db, locks_user
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
from project.users import object_storage
from project.users.errors import (
    ExportNotFound,
    ExportNotReady,
    ExportUnderWay,
)
from project.users.models import EXPORTS, EXPORTS_OF_USER, PENDING, READY, Export
from project.users.personal_data import ExportFile, personal_data_registry
from project.users.signals import export_requested

from .users import get_user, is_active

EXPORT_LIFETIME = timedelta(days=7)
BATCH_EXPORTS = 500

register_object_kind(
    ObjectKind(prefix='exports', reference=Export.storage_key, size=Export.size), owner=__name__
)

# One at a time in each service: however many want theirs, other tasks find room beside it.
export_slot = InterprocessSemaphore()


@locks_user('user_id')
def request_export(user_id: int) -> AnyRow:
    """Have everything of a user's put into one ZIP; a mail says when that is done.

    It replaces the export before it once it is ready. So the exports of a user never take more room
    than twice what is exported.

    :raises ExportUnderWay: while another one is made.
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


def list_exports(user_id: int, page: PageRequest) -> Page:
    """Return a page of a user's exports."""
    return EXPORTS.page(EXPORTS_OF_USER, page, user_id=user_id, moment=now())


def get_export(user_id: int, export_id: UUID) -> AnyRow:
    """Return a user's export, or refuse with ExportNotFound."""
    export = Export.find_owned(user_id, export_id)
    if export is None:
        raise ExportNotFound
    return export


def open_export(user_id: int, export_id: UUID) -> tuple[AnyRow, StoredObject]:
    """Return a user's export and its open bytes; refuses with ExportNotFound, ExportNotReady."""
    export = get_export(user_id, export_id)
    if export.state != READY:
        raise ExportNotReady
    key = Export.find_storage_key(export_id)
    if key is None:
        raise ExportNotFound
    return export, object_storage.open_object(key)


@task(
    queue='slow',
    slot=TaskSlot('export', partial(export_slot.has_free_slot, 1)),
    attempts=20,  # With a wait of 15 minutes at most: for some four hours.
    time_limit=timedelta(hours=6),
    subject_argument='user_id',
)
def make_export(export_id: str, user_id: int) -> None:
    """Make the ZIP of an export, or delete the export if its user was disabled in the meantime.

    Idempotent: a second run finds the export made, and leaves it.
    """
    wanted = UUID(export_id)
    if _delete_if_disabled(wanted, user_id):
        return
    with (
        export_slot.acquire(1, timeout=0),
        create_object() as new,
    ):
        _write(new, user_id)
        # A key of this attempt: another one, whose process hangs, may still write to its own.
        key = object_storage.new_export_key(wanted)
        new.prepare(key)
        _publish(wanted, user_id, key, new)


@task(queue='slow', cron='27 3 * * *', time_limit=timedelta(hours=1))
def delete_expired_exports() -> None:
    """Delete expired exports every night, in batches. Idempotent: a second run finds none."""
    is_expired = Export.expires_at <= now()
    while _delete_batch(select(Export.id).where(is_expired).limit(BATCH_EXPORTS)):
        pass


@atomic()
def _delete_batch(batch: AnySelect) -> int:
    # A CTE: PostgreSQL may execute a subquery more than once, and would delete further rows.
    return delete_exports(Export.id.in_(select(batch.cte('batch'))))


def delete_exports(which: Any) -> int:
    """Delete exports and release their bytes; return how many. In the caller's transaction."""
    keys = db.session.scalars(delete(Export).where(which).returning(Export.storage_key)).all()
    release_objects(key for key in keys if key)
    return len(keys)


@locks_user('user_id')
def _delete_if_disabled(export_id: UUID, user_id: int) -> bool:
    """Delete an export whose user was disabled or deleted; return whether that is so."""
    if is_active(user_id):
        return False
    delete_exports(Export.id == export_id)
    return True


@locks_user('user_id')
def _publish(export_id: UUID, user_id: int, key: str, new: NewObject) -> None:
    """Make a finished export available, unless it or its user is gone, or another run did it."""
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
    with ZipFile(target, 'w') as archive:
        for holding in reversed(personal_data_registry()):
            for part in holding.export(user_id):
                _add(archive, part)


def _add(archive: ZipFile, part: ExportFile) -> None:
    entry = ZipInfo(part.path, date_time=now().timetuple()[:6])
    entry.compress_type = ZIP_STORED if part.is_packed else ZIP_DEFLATED
    # How large it becomes is known at its end only.
    with archive.open(entry, 'w', force_zip64=True) as file:
        for block in part.chunks:
            file.write(block)
