"""The ledger: how many bytes everybody has, and may have."""

from typing import Any

from flask import current_app
from sqlalchemy import func, update

from project.core.data.database import db
from project.core.data.upsert import insert_or
from project.files.errors import QuotaExceeded
from project.files.models import File, Usage


def get_usage(owner_id: int) -> dict[str, int]:
    """Return bytes used and reserved, the quota, and the number of files, trash included."""
    files = db.session.scalar(db.select(func.count()).where(File.owner_id == owner_id))
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


def check_quota(owner_id: int, size: int) -> int:
    """Return the room that is left now, or refuse with QuotaExceeded a size that it has not.

    Asked before bytes flow; `charge` decides.
    """
    usage = Usage.find(owner_id)
    room = _quota(usage) - (usage.used + usage.reserved if usage else 0)
    if size > room:
        raise QuotaExceeded
    return room


def charge(owner_id: int, size: int) -> None:
    """Book bytes to an owner, or refuse with QuotaExceeded; one statement, so no race overfills."""
    allowed = func.coalesce(Usage.quota, current_app.config['FILES_QUOTA'])
    statement = insert_or(
        Usage,
        {'user_id': owner_id, 'used': size, 'reserved': 0},
        conflict=['user_id'],
        change={'used': Usage.used + size},
        where=Usage.used + Usage.reserved + size <= allowed,
    )
    # Without a row yet there is nothing to compare with: that one is within the default or not.
    if size > current_app.config['FILES_QUOTA'] and Usage.find(owner_id) is None:
        raise QuotaExceeded
    if db.session.execute(statement.returning(Usage.used)).one_or_none() is None:
        raise QuotaExceeded


def discharge(owner_id: int, size: int) -> None:
    """Take bytes off an owner's account again."""
    account = update(Usage).where(Usage.user_id == owner_id)
    db.session.execute(account.values(used=Usage.used - size))


def _quota(usage: Any) -> int:
    default: int = current_app.config['FILES_QUOTA']
    return default if usage is None or usage.quota is None else int(usage.quota)
