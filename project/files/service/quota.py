"""Usage and quota of each user, in bytes."""

from flask import current_app
from sqlalchemy import func, update

from project.core.database.session import atomic, db
from project.core.database.upsert import upsert
from project.files.errors import QuotaExceeded
from project.files.models import NOT_EMPTIED, File, Usage
from project.files.rows import FreedBytes, TypeStats, UsageReport, UsageRow
from project.users import service as users

THUMBNAIL_QUOTA_DIVISOR = 10
MIN_THUMBNAIL_ALLOWANCE_BYTES = 16_000_000


def get_usage(owner_id: int) -> UsageReport:
    """Return the used and reserved bytes, the quota and the number of files of a user.

    Files in the trash count.
    """
    files = db.session.scalar(db.select(func.count()).where(File.owner_id == owner_id, NOT_EMPTIED))
    usage = Usage.find(owner_id)
    return {
        'used': usage.used if usage else 0,
        'reserved': usage.reserved if usage else 0,
        'quota': _quota(usage),
        'files': files or 0,
    }


def get_report(owner_id: int) -> str:
    """Return a summary of the owner's files by type, as plain text."""
    usage = get_usage(owner_id)
    lines = [f'{usage["files"]} files, {usage["used"]} of {usage["quota"]} bytes', '']
    lines += [f'{r.bytes:>15}  {r.files:>7}  {r.type}' for r in File.count_by_type(owner_id)]
    return '\n'.join(lines) + '\n'


def file_stats() -> list[TypeStats]:
    """Return, for each media type, the number and the bytes of the files of all users."""
    rows = File.count_by_type()
    return [{'type': r.type, 'files': r.files, 'bytes': int(r.bytes)} for r in rows]


def ensure_within_quota(owner_id: int) -> None:
    """Ensure that a user does not exceed the quota. An operator may have lowered it since.

    :raises QuotaExceeded: if the used and reserved bytes exceed the quota.
    """
    usage = Usage.find(owner_id)
    if usage and usage.used + usage.reserved > _quota(usage):
        raise QuotaExceeded


def reserve(owner_id: int, size: int) -> None:
    """Reserve bytes for an upload. Call it inside `atomic`.

    One statement checks and reserves, so that concurrent uploads cannot exceed the quota.

    :raises QuotaExceeded: if there are too few free bytes.
    """
    _change_usage(owner_id, used=0, reserved=size)


def commit_reservation(owner_id: int, reserved: int, size: int) -> None:
    """Replace a reservation by used bytes. Call it inside `atomic`.

    :param reserved: the bytes of the reservation, which are released.
    :param size: the bytes that were stored.
    :raises QuotaExceeded: if `size` is larger than `reserved`, and there are too few free bytes.
    """
    _change_usage(owner_id, used=size, reserved=-reserved)


def decrease_usage(owner_id: int, freed: FreedBytes) -> None:
    """Subtract deleted bytes from the usage of an owner."""
    account = update(Usage).where(Usage.user_id == owner_id)
    db.session.execute(
        account.values(
            used=Usage.used - freed.versions,
            thumbnail_bytes=Usage.thumbnail_bytes - freed.thumbnails,
        )
    )


def count_thumbnail(owner_id: int, more: int) -> None:
    """Add the bytes of a thumbnail to the usage of an owner.

    :param more: in bytes; negative if a thumbnail is deleted or replaces a larger one.
    """
    account = update(Usage).where(Usage.user_id == owner_id)
    db.session.execute(account.values(thumbnail_bytes=Usage.thumbnail_bytes + more))


def ensure_within_thumbnail_allowance(owner_id: int) -> None:
    """Ensure that the thumbnails of an owner are below their limit.

    Thumbnails do not count towards the quota. Their limit is a tenth of it, but at least 16 MB.

    :raises QuotaExceeded: if the thumbnails have reached the limit.
    """
    usage = Usage.find(owner_id)
    allowance = max(MIN_THUMBNAIL_ALLOWANCE_BYTES, _quota(usage) // THUMBNAIL_QUOTA_DIVISOR)
    if usage and usage.thumbnail_bytes >= allowance:
        raise QuotaExceeded


def cancel_reservation(owner_id: int, reserved: int) -> None:
    """Release the reservation of an upload that was cancelled."""
    account = update(Usage).where(Usage.user_id == owner_id)
    db.session.execute(account.values(reserved=Usage.reserved - reserved))


@atomic()
def set_quota(owner_id: int, quota: int | None) -> None:
    """Set the quota of a user in bytes; None means the default (`FILES_QUOTA`).

    Existing files stay even if they exceed the quota.

    :raises UserNotFound: if the user does not exist.
    """
    users.get_user(owner_id)
    row = {'user_id': owner_id, 'used': 0, 'reserved': 0, 'quota': quota}
    db.session.execute(upsert(Usage, row, conflict=['user_id'], change={'quota': quota}))


def _change_usage(owner_id: int, *, used: int, reserved: int) -> None:
    default = current_app.config['FILES_QUOTA']
    # Without a row, `Usage.change` compares nothing, so compare with the default quota here.
    is_over_default = used + reserved > default and Usage.find(owner_id) is None
    if is_over_default or not Usage.change(owner_id, used, reserved, default_quota=default):
        raise QuotaExceeded


def _quota(usage: UsageRow | None) -> int:
    default: int = current_app.config['FILES_QUOTA']
    return default if usage is None or usage.quota is None else int(usage.quota)
