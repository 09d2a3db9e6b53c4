"""Exports: all that is kept about somebody, made for them as one ZIP."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from project.core.clock import now
from project.core.data.database import Base
from project.core.data.types import UTCDateTime


class Export(Base):
    """An export that was asked for: `pending`, then `ready` for 7 days, or `failed`."""

    __tablename__ = 'users_exports'
    __table_args__ = (Index(None, 'user_id', 'created_at'),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[int] = mapped_column(ForeignKey('users.id'))
    state: Mapped[str] = mapped_column(String(16), default='pending')
    # The key under which the storage has the ZIP, and its bytes.
    key: Mapped[str | None] = mapped_column(String(128))
    size: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
