"""Table of uploads, resumable or not: quota reservations, and the progress of resumable uploads."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, ForeignKey, String, Text, exists, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from project.core.clock import now
from project.core.database.rows import select_row, select_rows
from project.core.database.session import Base, execute_select
from project.core.database.types import UTCDateTime
from project.files.rows import ListedUploadRow, UploadRow

from .files import File


class Upload(Base):
    """An upload and its quota reservation, until it is complete, cancelled or expired.

    If a resumable upload is complete, its row stays until it expires, with the id of the new file.
    """

    __tablename__ = 'files_uploads'

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    owner_id: Mapped[int] = mapped_column(ForeignKey('users.id'), index=True)
    reserved: Mapped[int] = mapped_column(BigInteger)
    # Only for resumable uploads: the announced length, and the number of bytes that are durable.
    declared_size: Mapped[int | None] = mapped_column(BigInteger)
    offset: Mapped[int] = mapped_column(BigInteger, default=0)
    name: Mapped[str] = mapped_column(String(255), default='')
    # The header `Upload-Metadata`, as the client sent it.
    tus_metadata: Mapped[str] = mapped_column(Text, default='')
    # The lease of the request that may write, and the id of the file that the complete upload has
    # become.
    lease_id: Mapped[UUID | None] = mapped_column()
    file_id: Mapped[UUID | None] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    # When the upload expires. Requests that write to it postpone this time. A task cancels expired
    # uploads.
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)

    @classmethod
    def find_owned(cls, owner_id: int, upload_id: UUID) -> UploadRow | None:
        """Return the owner's resumable upload; None if it has expired or its file was deleted."""
        owned = RESUMABLE_SELECT.where(cls.id == upload_id, cls.owner_id == owner_id)
        return select_row(UploadRow, owned.where(cls.expires_at > now(), HAS_LIVE_FILE))

    @classmethod
    def holds_lease(cls, upload_id: UUID, lease: UUID) -> bool:
        """Return whether a lease of an upload is still valid: no newer request has taken it."""
        leased = select(cls.id).where(cls.id == upload_id, cls.lease_id == lease)
        return execute_select(leased).one_or_none() is not None

    @classmethod
    def find_all(cls, owner_id: int) -> list[ListedUploadRow]:
        """Return the uploads of an owner for the export of personal data, oldest first."""
        owned = select(
            cls.id, cls.name, cls.declared_size.label('length'), cls.offset, cls.reserved,
            cls.tus_metadata.label('described'), cls.file_id,
            cls.created_at, cls.expires_at,
        )  # fmt: skip
        return select_rows(
            ListedUploadRow, owned.where(cls.owner_id == owner_id).order_by(cls.created_at, cls.id)
        )


# SQL condition: the upload is not complete, or its file exists and is not in the trash.
HAS_LIVE_FILE = or_(
    Upload.file_id.is_(None),
    exists().where(File.id == Upload.file_id, File.trashed_at.is_(None)),
)

RESUMABLE_SELECT = select(
    Upload.id, Upload.declared_size, Upload.offset, Upload.name, Upload.tus_metadata,
    Upload.file_id, Upload.expires_at,
).where(Upload.declared_size.is_not(None))  # fmt: skip
