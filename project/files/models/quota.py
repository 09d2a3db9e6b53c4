"""Table of the stored and reserved bytes of each user, and of the quotas."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, bindparam, func, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from project.core.database.cached_statements import cached_statement, execute_write
from project.core.database.rows import select_row
from project.core.database.session import Base, execute_select
from project.core.database.types import UTCDateTime
from project.core.database.upsert import upsert
from project.files.rows import UsageRow


class Usage(Base):
    """The used and reserved bytes of a user. Files in the trash and old versions count.

    `used` is always the sum of the versions of the user's files. `reserved` is the sum of the
    reservations of the user's uploads.
    """

    __tablename__ = 'files_usage'

    user_id: Mapped[int] = mapped_column(ForeignKey('users.id'), primary_key=True)
    used: Mapped[int] = mapped_column(BigInteger, default=0)
    reserved: Mapped[int] = mapped_column(BigInteger, default=0)
    # The bytes of all thumbnails of the user. They have their own limit and do not count as `used`.
    thumbnail_bytes: Mapped[int] = mapped_column(BigInteger, default=0, server_default='0')
    # The quota of the user; None for the default, FILES_QUOTA.
    quota: Mapped[int | None] = mapped_column(BigInteger)
    # When the user last emptied the trash. Files moved to the trash before count as deleted; a task
    # deletes their rows.
    trash_emptied_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    @classmethod
    def find(cls, user_id: int) -> UsageRow | None:
        """Return the used and reserved bytes and the quota of a user, or None."""
        usage = select(cls.used, cls.reserved, cls.thumbnail_bytes, cls.quota)
        return select_row(UsageRow, usage.where(cls.user_id == user_id))

    @classmethod
    def find_trash_emptied_at(cls, user_id: int) -> datetime | None:
        """Return when a user last emptied the trash, or None."""
        found = select(cls.trash_emptied_at).where(cls.user_id == user_id)
        return execute_select(found).scalar_one_or_none()

    @classmethod
    def change(cls, user_id: int, used: int, reserved: int, *, default_quota: int) -> bool:
        """Add to the used and reserved bytes; return whether the quota allows it."""
        values = {
            'user_id': user_id,
            'used': used,
            'reserved': max(0, reserved),
            'more_used': used,
            'more_reserved': reserved,
            'more': used + reserved,
            'default_quota': default_quota,
        }
        return execute_write(_change(), values).one_or_none() is not None


@cached_statement
def _change() -> Any:
    more_used, more_reserved, more, default_quota = (
        bindparam(name, type_=BigInteger)
        for name in ('more_used', 'more_reserved', 'more', 'default_quota')
    )
    is_allowed = Usage.used + Usage.reserved + more <= func.coalesce(Usage.quota, default_quota)
    return upsert(
        Usage,
        conflict=['user_id'],
        change={'used': Usage.used + more_used, 'reserved': Usage.reserved + more_reserved},
        # A change that needs no further bytes is allowed, even if the quota was lowered since.
        where=or_(more <= 0, is_allowed),
    ).returning(Usage.used)
