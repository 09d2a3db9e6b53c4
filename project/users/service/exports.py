"""Exports: everything of a user's, from every feature, as one ZIP that is made as a task."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from sqlalchemy import delete, update

from project.core.clock import now
from project.core.database.keyset_pagination import Page, PageRequest
from project.core.database.session import AnyRow, atomic, db, locks_user
from project.core.mail import send_mail
from project.core.semaphore import InterprocessSemaphore
from project.core.storage import StagedObject, StoredObject
from project.core.tasks import enqueue, task
from project.users import object_storage
from project.users.errors import (
    ExportNotFound,
    ExportNotReady,
    ExportUnderWay,
    TooManyExports,
)
from project.users.models import EXPORTS, EXPORTS_OF_USER, PENDING, READY, Export
from project.users.personal_data import ExportFile, personal_data_registry
from project.users.signals import export_requested

from .users import get_user, is_active

EXPORT_LIFETIME = timedelta(days=7)
MAX_EXPORTS_PER_USER = 3  # of a user's at a time
EXPORT_SLOT_TIMEOUT_SECONDS = 1.0  # an attempt that waited longer is made again later

# One at a time in each service: however many want theirs, other tasks find room beside it.
export_slot = InterprocessSemaphore()


@locks_user('user_id')
def request_export(user_id: int) -> AnyRow:
    """Have everything of a user's put into one ZIP; a mail says when that is done.

    Refuses with ExportUnderWay, and with TooManyExports while three are kept.
    """
    kept = Export.find_all(user_id)
    if any(export.state == PENDING for export in kept):
        raise ExportUnderWay
    ready = [export for export in kept if export.state == READY]
    if len(ready) >= MAX_EXPORTS_PER_USER:
        raise TooManyExports(int((ready[0].expires_at - now()).total_seconds()) + 1)
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
    return export, object_storage.open_object(object_storage.export_key(export_id))


@task(
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
        export_slot.acquire(1, timeout=EXPORT_SLOT_TIMEOUT_SECONDS),
        object_storage.create_staged() as staged,
    ):
        _write(staged, user_id)
        staged.prepare(object_storage.export_key(wanted))
        _publish(wanted, user_id, staged)


@task(unique=['export_id'])
def delete_export_blob(export_id: str) -> None:
    """Remove the bytes of an export that is none any more. Run twice, it finds none."""
    if not Export.exists(UUID(export_id)):
        object_storage.delete(object_storage.export_key(UUID(export_id)))


@task(cron='27 3 * * *')
@atomic()
def delete_expired_exports() -> None:
    """Forget exports whose time is over, every night. Run twice, it finds none."""
    delete_exports(Export.expires_at <= now())


def delete_exports(which: Any) -> None:
    """Forget exports, and have their bytes removed. Inside `atomic`."""
    gone = db.session.scalars(delete(Export).where(which).returning(Export.id)).all()
    for export_id in gone:
        enqueue(delete_export_blob, str(export_id))


@locks_user('user_id')
def _delete_if_disabled(export_id: UUID, user_id: int) -> bool:
    """Delete an export whose user was disabled or deleted; return whether that is so."""
    if is_active(user_id):
        return False
    delete_exports(Export.id == export_id)
    return True


@locks_user('user_id')
def _publish(export_id: UUID, user_id: int, staged: StagedObject) -> None:
    """Make a finished export available, unless it or its user is gone, or another run did it."""
    if _delete_if_disabled(export_id, user_id):
        return
    made = update(Export).where(Export.id == export_id, Export.state == PENDING)
    made = made.values(
        state=READY, size=staged.size, sha256=staged.sha256, expires_at=now() + EXPORT_LIFETIME
    )
    if db.session.execute(made.returning(Export.id)).one_or_none() is None:
        return
    # Under the lock of its row: whoever deletes that comes after us, and removes the bytes.
    staged.save(object_storage.export_key(export_id))
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
