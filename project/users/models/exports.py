"""Table of exports. An export is a ZIP file with the personal data of a user."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, ForeignKey, Index, String, bindparam, case, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from project.core.clock import now
from project.core.database.keyset_pagination import Keyset
from project.core.database.rows import select_row, select_rows
from project.core.database.session import Base, execute_select
from project.core.database.types import UTCDateTime
from project.core.tasks import is_pending
from project.users.rows import ExportRow

PENDING, READY, FAILED = 'pending', 'ready', 'failed'


class Export(Base):
    """A requested export of personal data: first `pending`, then `ready` for 7 days.

    Queries return `failed` instead of `pending` if the task of the export is no longer pending.
    """

    __tablename__ = 'users_exports'
    __table_args__ = (Index(None, 'user_id', 'created_at'),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[int] = mapped_column(ForeignKey('users.id'))
    state: Mapped[str] = mapped_column(String(16), default=PENDING)
    # The id of the task that creates the ZIP.
    task_id: Mapped[UUID | None] = mapped_column()
    # The storage key of the ZIP; None until it is ready.
    storage_key: Mapped[str | None] = mapped_column(String(128), unique=True)
    size: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)

    @classmethod
    def find_owned(cls, user_id: int, export_id: UUID) -> ExportRow | None:
        """Return the export with an id if the user has it and it has not expired; else None."""
        mine = EXPORTS_OF_USER.where(cls.id == export_id)
        return select_row(ExportRow, mine, {'user_id': user_id, 'moment': now()})

    @classmethod
    def find_all(cls, user_id: int) -> list[ExportRow]:
        """Return a user's exports that have not expired, the oldest first."""
        mine = EXPORTS_OF_USER.order_by(cls.created_at, cls.id)
        return select_rows(ExportRow, mine, {'user_id': user_id, 'moment': now()})

    @classmethod
    def find_storage_key(cls, export_id: UUID) -> str | None:
        """Return the storage key of the ZIP of an export; None before it is ready."""
        found = select(cls.storage_key).where(cls.id == export_id)
        return execute_select(found).scalar_one_or_none()


# An older version of the service has created exports that are `ready` and have no key.
_is_lost = or_(
    (Export.state == PENDING) & ~is_pending(Export.task_id),
    (Export.state == READY) & Export.storage_key.is_(None),
)

EXPORTS_OF_USER = select(
    Export.id, case((_is_lost, FAILED), else_=Export.state).label('state'), Export.size,
    Export.sha256, Export.created_at, Export.expires_at,
).where(
    Export.user_id == bindparam('user_id'),
    Export.expires_at > bindparam('moment', type_=UTCDateTime()),
)  # fmt: skip

EXPORTS = Keyset(
    ExportRow,
    'users_exports',
    sorts={'created_at': Export.created_at},
    key=Export.id,
    default='-created_at',
)
