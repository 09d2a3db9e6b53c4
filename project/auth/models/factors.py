"""Second factors: TOTP secrets, sealed, and recovery codes, hashed."""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from project.core.clock import now
from project.core.data.database import Base
from project.core.data.types import UTCDateTime


class Totp(Base):
    """What a user's authenticator shares with us (RFC 6238); it counts once it is confirmed."""

    __tablename__ = 'auth_totp'

    user_id: Mapped[int] = mapped_column(ForeignKey('users.id'), primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    # The last step whose code was accepted: it, and all before it, are used up (ASVS 6.5.1).
    last_step: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    confirmed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class RecoveryCode(Base):
    """A code that stands in for the authenticator once: 120 random bits, so a fast hash will do."""

    __tablename__ = 'auth_recovery_codes'

    user_id: Mapped[int] = mapped_column(ForeignKey('users.id'), primary_key=True)
    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
