"""Table of share links."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, Index, String, bindparam, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from project.core.clock import now
from project.core.database.compiled_query import CompiledQuery
from project.core.database.keyset_pagination import Keyset
from project.core.database.session import Base
from project.core.database.types import UTCDateTime
from project.files.rows import LinkRow, ListedLinkRow

from .files import File


class Link(Base):
    """A share link. It is found by the hash of its token, and deleted with its file."""

    __tablename__ = 'files_links'
    __table_args__ = (Index(None, 'file_id', 'created_at'),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    file_id: Mapped[UUID] = mapped_column(ForeignKey('files.id', ondelete='CASCADE'))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    password_hash: Mapped[str | None] = mapped_column(String(255))
    max_downloads: Mapped[int | None] = mapped_column()
    downloads: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime, index=True)

    @classmethod
    def find_live(cls, token_hash: str) -> LinkRow | None:
        """Return a link and the file's owner; None if the link is unknown, expired or used up."""
        return LIVE_LINK.first(token_hash=token_hash, moment=now())


_active = or_(Link.expires_at.is_(None), Link.expires_at > bindparam('moment', type_=UTCDateTime()))
_usable = or_(Link.max_downloads.is_(None), Link.downloads < Link.max_downloads)

LIVE_LINK = CompiledQuery(
    LinkRow,
    select(Link.id, Link.file_id, Link.password_hash, Link.expires_at, File.owner_id)
    .join(File, File.id == Link.file_id)
    .where(Link.token_hash == bindparam('token_hash'), File.trashed_at.is_(None), _active, _usable),
)

LINKS_OF_FILE = select(
    Link.id, Link.created_at, Link.expires_at, Link.max_downloads, Link.downloads,
    Link.password_hash.is_not(None).label('has_password'),
).where(Link.file_id == bindparam('file_id'))  # fmt: skip

LINKS = Keyset(
    ListedLinkRow,
    'files_links',
    sorts={'created_at': Link.created_at},
    key=Link.id,
    default='-created_at',
)
