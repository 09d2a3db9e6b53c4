"""The ledger: how many bytes everybody has, and may have."""

from typing import Any, NamedTuple

from flask import current_app
from sqlalchemy import func, literal, or_, update

from project.core.database.session import atomic, db
from project.core.database.upsert import upsert
from project.files.errors import QuotaExceeded
from project.files.models import NOT_EMPTIED, File, Usage
from project.users import service as users

THUMBNAIL_QUOTA_DIVISOR = 10
MIN_THUMBNAIL_ALLOWANCE_BYTES = 16_000_000


class FreedBytes(NamedTuple):
    """The bytes of deleted versions, and of their thumbnails."""

    versions: int
    thumbnails: int


def get_usage(owner_id: int) -> dict[str, int]:
    """Return bytes used and reserved, the quota, and the number of files, trash included."""
    files = db.session.scalar(db.select(func.count()).where(File.owner_id == owner_id, NOT_EMPTIED))
    usage = Usage.find(owner_id)
    return {
        'used': usage.used if usage else 0,
        'reserved': usage.reserved if usage else 0,
        'quota': _quota(usage),
        'files': files or 0,
    }


def get_report(owner_id: int) -> str:
    """Return a summary of the owner's files, as plain text."""
    usage = get_usage(owner_id)
    lines = [f'{usage["files"]} files, {usage["used"]} of {usage["quota"]} bytes', '']
    lines += [f'{r.bytes:>15}  {r.files:>7}  {r.type}' for r in File.count_by_type(owner_id)]
    return '\n'.join(lines) + '\n'


def file_stats() -> list[dict[str, Any]]:
    """Return how many files and bytes there are of each type."""
    rows = File.count_by_type()
    return [{'type': r.type, 'files': r.files, 'bytes': int(r.bytes)} for r in rows]


def ensure_within_quota(owner_id: int) -> None:
    """Refuse with QuotaExceeded who has, or has reserved, more than they may by now."""
    usage = Usage.find(owner_id)
    if usage and usage.used + usage.reserved > _quota(usage):
        raise QuotaExceeded


def reserve(owner_id: int, size: int) -> None:
    """Keep room for bytes on their way, or refuse with QuotaExceeded. Inside `atomic`.

    One statement, so no race overfills.
    """
    _book(owner_id, used=0, reserved=size)


def commit_reservation(owner_id: int, reserved: int, size: int) -> None:
    """Book bytes that have come in the place of those that were reserved. Inside `atomic`.

    Refuses with QuotaExceeded more than was reserved where there is no room for it.
    """
    _book(owner_id, used=size, reserved=-reserved)


def decrease_usage(owner_id: int, freed: FreedBytes) -> None:
    """Take deleted bytes off an owner's account."""
    account = update(Usage).where(Usage.user_id == owner_id)
    db.session.execute(
        account.values(
            used=Usage.used - freed.versions,
            thumbnail_bytes=Usage.thumbnail_bytes - freed.thumbnails,
        )
    )


def count_thumbnail(owner_id: int, more: int) -> None:
    """Add the bytes of a thumbnail to an owner's account; negative if it replaces a larger one."""
    account = update(Usage).where(Usage.user_id == owner_id)
    db.session.execute(account.values(thumbnail_bytes=Usage.thumbnail_bytes + more))


def ensure_within_thumbnail_allowance(owner_id: int) -> None:
    """Ensure that an owner may have further thumbnails.

    Thumbnails do not count against the quota. They may take a tenth of it besides, and 16 MB in any
    case.

    :raises QuotaExceeded: if the thumbnails of the owner take more.
    """
    usage = Usage.find(owner_id)
    allowance = max(MIN_THUMBNAIL_ALLOWANCE_BYTES, _quota(usage) // THUMBNAIL_QUOTA_DIVISOR)
    if usage and usage.thumbnail_bytes >= allowance:
        raise QuotaExceeded


def cancel_reservation(owner_id: int, reserved: int) -> None:
    """Give back room that nothing came to fill."""
    account = update(Usage).where(Usage.user_id == owner_id)
    db.session.execute(account.values(reserved=Usage.reserved - reserved))


@atomic()
def set_quota(owner_id: int, quota: int | None) -> None:
    """Say how many bytes a user may have; None for as many as everybody.

    What they have already stays theirs, also where it is more. Refuses an unknown user.
    """
    users.get_user(owner_id)
    row = {'user_id': owner_id, 'used': 0, 'reserved': 0, 'quota': quota}
    db.session.execute(upsert(Usage, row, conflict=['user_id'], change={'quota': quota}))


def _book(owner_id: int, *, used: int, reserved: int) -> None:
    allowed = func.coalesce(Usage.quota, current_app.config['FILES_QUOTA'])
    more = used + reserved
    statement = upsert(
        Usage,
        {'user_id': owner_id, 'used': used, 'reserved': max(0, reserved)},
        conflict=['user_id'],
        change={'used': Usage.used + used, 'reserved': Usage.reserved + reserved},
        # What needs no more room than it has passes, also where the quota was lowered meanwhile.
        where=or_(literal(more <= 0), Usage.used + Usage.reserved + more <= allowed),
    )
    # Without a row yet there is nothing to compare with: that one is within the default or not.
    if more > current_app.config['FILES_QUOTA'] and Usage.find(owner_id) is None:
        raise QuotaExceeded
    if db.session.execute(statement.returning(Usage.used)).one_or_none() is None:
        raise QuotaExceeded


def _quota(usage: Any) -> int:
    default: int = current_app.config['FILES_QUOTA']
    return default if usage is None or usage.quota is None else int(usage.quota)
