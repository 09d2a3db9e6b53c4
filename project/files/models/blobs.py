"""Table of blobs."""

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from project.core.clock import now
from project.core.database.session import Base
from project.core.database.types import UTCDateTime


class Blob(Base):
    """A blob: bytes, identified by their SHA-256. They are stored once for all versions."""

    __tablename__ = 'files_blobs'

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    # The CRC-32 for ZIP archives. None: releases before 0.2.0 have stored the blob.
    crc32: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
