"""Scanning: what has not been found clean is given to nobody, as long as there is a scanner."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from flask import current_app
from sqlalchemy import select, update

from project.core.clock import now
from project.core.data.database import AnyRow, atomic, db
from project.core.data.keyset import in_batches
from project.core.data.storage import Stored
from project.core.data.tasks import enqueue, task
from project.core.errors import Unavailable
from project.files import blobs
from project.files.errors import UNCLEAN, ScanInfected, ScanPending, ScanRefused
from project.files.models import CLEAN, INFECTED, UNSCANNABLE, Version
from project.files.scanner import ScannerDown, TooMuch, find_signature, ping

log = logging.getLogger(__name__)

# Of what nobody has scanned by then, the task was lost, or the scanner was down.
OVERDUE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Scanned:
    """A version, and what it is: `clean`, `infected`, `unscannable`; None where nobody can tell."""

    file_id: UUID
    number: int
    state: str | None


def check_clean(scan: str | None) -> None:
    """Refuse what may not be given to anybody.

    With ScanInfected what was found infected, also when there is no scanner any more; as long as
    there is one, with ScanPending what it has not seen, and with ScanRefused what it does not take.
    """
    if scan == INFECTED:
        raise ScanInfected
    if scan != CLEAN and current_app.config['FILES_SCANNER']:
        raise ScanPending if scan is None else ScanRefused


def is_clean(scan: str | None) -> bool:
    """Tell whether `check_clean` would let it pass."""
    try:
        check_clean(scan)
    except UNCLEAN:
        return False
    return True


def open_clean(bytes_: AnyRow) -> Stored:
    """Open the bytes of a file or a version, or refuse as `check_clean` does. Nothing else may."""
    check_clean(bytes_.scan)
    return blobs.open_blob(bytes_.sha256)


def request_scan(file_id: UUID, number: int) -> None:
    """Have a version scanned, if there is a scanner. Inside `atomic`."""
    if current_app.config['FILES_SCANNER']:
        enqueue(scan_version, str(file_id), number)


@task(unique=['file_id', 'number'], time_limit=timedelta(hours=1))
def scan_version(file_id: str, number: int) -> None:
    """Scan a version. Run twice, it is scanned twice.

    A scanner that is down is no failure of the task: `scan_overdue` comes back.
    """
    version = Version.find(UUID(file_id), number)
    if version is not None and current_app.config['FILES_SCANNER']:
        _scan(UUID(file_id), number, version.sha256)


@task(every=timedelta(minutes=1), time_limit=timedelta(hours=6))
def scan_overdue() -> None:
    """Scan what nobody has scanned yet. Run twice, the second finds nothing."""
    if not current_app.config['FILES_SCANNER']:
        return
    try:
        ping(current_app.config['FILES_SCANNER'])
    except ScannerDown as error:
        log.warning('the scanner does not answer, and holds files back: %s', error)
        return
    for _ in scan_files(before=now() - OVERDUE):
        pass


def scan_files(*, again: bool = False, before: datetime | None = None) -> Iterator[Scanned]:
    """Scan what has not been scanned, or everything again; yield each version as it is done.

    :param before: only versions that came before a moment.
    """
    wanted = select(Version.file_id, Version.number, Version.sha256)
    if not again:
        wanted = wanted.where(Version.scan.is_(None))
    if before is not None:
        wanted = wanted.where(Version.created_at < before)
    for row in in_batches(wanted, Version.file_id, Version.number):
        yield Scanned(row.file_id, row.number, _scan(row.file_id, row.number, row.sha256))


def _scan(file_id: UUID, number: int, sha256: str) -> str | None:
    """Scan bytes of a file, and remember what they are; None where nobody can tell now."""
    state, found = CLEAN, None
    try:
        found = find_signature(current_app.config['FILES_SCANNER'], blobs.blocks_of(sha256))
    except TooMuch:
        state = UNSCANNABLE
    except (ScannerDown, Unavailable) as error:
        log.warning('version %s of file %s could not be scanned: %s', number, file_id, error)
        return None
    if found:
        state = INFECTED
        log.warning('version %s of file %s is infected: %s', number, file_id, found)
    _settle(file_id, number, state)
    return state


@atomic()
def _settle(file_id: UUID, number: int, state: str) -> None:
    one = update(Version).where(Version.file_id == file_id, Version.number == number)
    db.session.execute(one.values(scan=state))
