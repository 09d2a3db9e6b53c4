"""The sweeper: removes what nobody has any more, and asks again before it does."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from flask import current_app
from sqlalchemy import delete, select

from project.core.clock import now
from project.core.data.database import atomic, db
from project.core.data.storage import storage
from project.files import blobs
from project.files.errors import FileNotFound
from project.files.models import Blob, File

from .library import delete_file

BATCH = 500
STALE = 24 * 60 * 60  # seconds after which bytes on their way in will not arrive any more


@dataclass(frozen=True, slots=True)
class Swept:
    """One thing that was removed, or would be: `trash`, `bytes` or `incoming`."""

    kind: str
    name: str


def sweep(*, dry_run: bool = False) -> Iterator[Swept]:
    """Remove trash past its time, bytes that no file has, and uploads that broke off.

    Yields each thing as it goes, so that a caller can count along. Safe to run twice, and beside
    uploads of the same bytes.
    """
    yield from _sweep_trash(dry_run)
    yield from _sweep_bytes(dry_run)
    for path in storage().stale(time.time() - STALE):
        if not dry_run:
            path.unlink(missing_ok=True)
        yield Swept('incoming', path.name)


def _sweep_trash(dry_run: bool) -> Iterator[Swept]:
    before = now() - current_app.config['FILES_TRASH_LIFETIME']
    while rows := File.find_expired(before, BATCH):
        for row in rows:
            if not dry_run:
                _delete(row.owner_id, row.id)
            yield Swept('trash', str(row.id))
        if dry_run:
            return


def _sweep_bytes(dry_run: bool) -> Iterator[Swept]:
    while hashes := Blob.find_unreferenced(BATCH):
        for sha256 in hashes:
            if dry_run or _drop(sha256):
                yield Swept('bytes', sha256)
        if dry_run:
            return


@atomic()
def _drop(sha256: str) -> bool:
    """Remove bytes if still nobody has them, and tell whether that was so."""
    # Locked first and asked then: a file that took the bytes meanwhile is seen by the second look.
    db.session.execute(select(Blob.sha256).where(Blob.sha256 == sha256).with_for_update())
    unused = ~select(File.id).where(File.sha256 == sha256).exists()
    gone = delete(Blob).where(Blob.sha256 == sha256, unused).returning(Blob.sha256)
    if db.session.execute(gone).one_or_none() is None:
        return False
    # Still inside: after the commit, somebody might have stored them anew.
    blobs.remove(sha256)
    return True


def _delete(owner_id: int, file_id: object) -> None:
    try:
        delete_file(owner_id, file_id)  # type: ignore[arg-type]
    except FileNotFound:
        # Its owner was faster.
        return
