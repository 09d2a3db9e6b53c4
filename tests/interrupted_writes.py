"""Operations that store objects, and faults that interrupt them after each of their steps."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from itertools import count
from tempfile import TemporaryFile
from typing import Any
from unittest.mock import patch
from uuid import UUID

from flask import Flask
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError

from project.core.database.session import atomic, db
from project.core.errors import Conflict
from project.core.storage import StagedObject, storage, storage_from_url
from project.core.stored_objects import Publication, collect_released_objects
from project.core.version_preconditions import Precondition
from project.files import service as files
from project.files.errors import FileChanged
from project.files.models import Upload
from project.files.partial_uploads import PartialFile, iterate_names
from project.files.service.thumbnails import make_thumbnail
from project.files.service.upload_reservations import release_expired_reservations
from project.users import service as users
from project.users.models import PENDING, Export
from project.users.service.exports import delete_exports, make_export
from tests.core.images.sample_images import encoded, halves
from tests.kit.clock import Travel
from tests.object_sizes import sizes_by_rows, sizes_in_storage
from tests.reliability.harness import IS_LONG

IMAGE = encoded(halves(), 'PNG').getvalue()
EXIT_KILLED = 9

# The steps of an operation that stores an object (docs/adr/0034). A fault interrupts the operation
# after one of them.
STEPS = ('write', 'prepare', 'rows', 'save', 'commit', 'committed')
# After the commit, an operation raises no error: only the end of its process can interrupt it.
CASES = [
    (step, fault)
    for step in STEPS
    for fault in ('rejection', 'exception', 'failing database', 'kill')
    if step != 'committed' or fault == 'kill'
]
# `make soak` interrupts each operation 504 times.
ROUNDS = 504 // len(CASES) if IS_LONG else 1


class Interrupted(Exception):
    """An unexpected error, such as a bug would raise."""


class Rejected(Conflict):
    """An error of the API, such as a service raises for an invalid request."""

    field, reason = 'test', 'Rejected by the test'


def reject() -> None:
    """Raise an error of the API."""
    raise Rejected


def fail() -> None:
    """Raise an error of the database."""
    raise OperationalError('COMMIT', None, Interrupted())


def break_down() -> None:
    """Raise an unexpected error."""
    raise Interrupted


def kill() -> None:
    """Exit this process without running any cleanup code."""
    os._exit(EXIT_KILLED)


FAULTS: dict[str, Callable[[], None]] = {
    'rejection': reject, 'exception': break_down, 'failing database': fail, 'kill': kill,
}  # fmt: skip


OUTDATED = Precondition(must_exist=True, accepted=frozenset({'another hash'}))


@dataclass
class Writer:
    """A user who stores objects in every way that the service offers."""

    owner_id: int
    numbers: Iterator[int] = field(default_factory=count)

    def content(self) -> BytesIO:
        """Return new bytes, which no other call returns."""
        return BytesIO(b'%d of %d' % (next(self.numbers), self.owner_id) + bytes(1000))

    def upload(self) -> None:
        """Store a file."""
        files.store_file(self.owner_id, self.content())

    def replace(self) -> None:
        """Upload a new version of a file."""
        file = files.store_file(self.owner_id, BytesIO(b'The same.'))
        files.replace_content(self.owner_id, file.id, self.content())

    def replace_stale(self) -> None:
        """Upload a new version with an outdated `If-Match`, which the transaction rejects."""
        file = files.store_file(self.owner_id, BytesIO(b'The same.'))
        with suppress(FileChanged), files.open_upload(self.owner_id, least=0) as upload:
            upload.write_stream(self.content())
            files.replace_with_upload(self.owner_id, file.id, upload, expected=OUTDATED)

    def resume(self) -> None:
        """Upload a file in two chunks, by the resumable protocol."""
        upload = files.create_upload(self.owner_id, length=2000, name='a')
        files.append(self.owner_id, upload.id, BytesIO(bytes(1000)), offset=0)
        last = self.content().getvalue()[:1000]
        files.append(self.owner_id, upload.id, BytesIO(last), offset=1000)

    def set_avatar(self) -> None:
        """Store an avatar."""
        with TemporaryFile() as image:
            image.write(IMAGE)
            users.set_avatar(self.owner_id, image)

    def make_thumbnail(self) -> None:
        """Store an image and a thumbnail of it."""
        file = files.store_file(self.owner_id, BytesIO(IMAGE + self.content().getvalue()))
        files.open_thumbnail(self.owner_id, file.id, 64)
        make_thumbnail(str(file.id), 1, 64)

    def make_export(self) -> None:
        """Store an export."""
        with atomic():
            # An interrupted export would otherwise block the next one.
            delete_exports((Export.user_id == self.owner_id) & (Export.state == PENDING))
        export = users.request_export(self.owner_id)
        make_export(str(export.id), self.owner_id)


OPERATIONS: dict[str, Callable[[Writer], None]] = {
    operation.__name__: operation
    for operation in (
        Writer.upload, Writer.replace, Writer.replace_stale, Writer.resume, Writer.set_avatar,
        Writer.make_thumbnail, Writer.make_export,
    )
}  # fmt: skip


def interrupt(app: Flask, writer: Writer, operation: str, step: str, fault: str) -> None:
    """Run an operation, and cause a fault after one of its steps."""
    if fault == 'kill':
        child = os.fork()
        if child == 0:
            _run_and_exit(app, writer, operation, step)
        os.waitpid(child, 0)
    else:
        with (
            interrupted_after(step, FAULTS[fault]),
            suppress(Rejected, Interrupted, OperationalError),
        ):
            OPERATIONS[operation](writer)
        db.session.remove()
    # A child process does not advance the counter of this process, but the next operation needs
    # other bytes.
    next(writer.numbers)


def _run_and_exit(app: Flask, writer: Writer, operation: str, step: str) -> None:
    """Run an operation in this child process, and kill the process after one step.

    The child process opens its own database connections.
    """
    try:
        with app.app_context():
            db.engine.dispose(close=False)
            app.extensions['storage'] = storage_from_url(app, app.config['STORAGE_URL'])
            with interrupted_after(step, kill):
                OPERATIONS[operation](writer)
    finally:
        os._exit(0)


@contextmanager
def interrupted_after(step: str, fault: Callable[[], None]) -> Iterator[None]:
    """Call `fault` after each execution of a step, until the end of the block."""
    storage_class, publishing = type(storage()), []

    def then_fault(function: Callable[..., Any]) -> Callable[..., Any]:
        def interrupted(*args: Any, **given: Any) -> Any:
            function(*args, **given)
            fault()

        return interrupted

    def remember(self: Publication, key: str) -> None:
        save(self, key)
        publishing.append(key)

    def before_commit(_session: Any) -> None:
        if publishing:
            publishing.clear()
            fault()

    save = Publication._save
    with ExitStack() as stack:
        if step == 'write':
            for writer in (StagedObject, PartialFile):
                stack.enter_context(patch.object(writer, 'write', then_fault(writer.write)))
        elif step in ('prepare', 'save'):
            stack.enter_context(
                patch.object(storage_class, step, then_fault(getattr(storage_class, step)))
            )
        elif step == 'rows':
            stack.enter_context(patch.object(Publication, '_save', lambda *_: fault()))
        elif step == 'commit':
            stack.enter_context(patch.object(Publication, '_save', remember))
            event.listen(db.session, 'before_commit', before_commit)
            stack.callback(event.remove, db.session, 'before_commit', before_commit)
        else:
            committed = then_fault(Publication._mark_committed)
            stack.enter_context(patch.object(Publication, '_mark_committed', committed))
        yield


def collect_everything() -> None:
    """Run all clean-up with the clock five minutes ahead.

    Reservations of killed processes have expired by this time.
    """
    with Travel() as travel:
        travel(minutes=5)
        release_expired_reservations()
        collect_released_objects()
        for _ in files.collect_garbage():
            pass


def assert_consistent() -> None:
    """Check that the stored objects and the quotas match the rows.

    There must be no staging file, and no partial upload without a row.
    """
    assert sizes_in_storage() == sizes_by_rows()
    assert list(storage().incoming.glob('*')) == []
    assert [fault for fault in files.check_integrity() if fault] == []
    uploads = set(db.session.scalars(select(Upload.id)))
    assert {UUID(listed.name) for listed in iterate_names()} <= uploads
