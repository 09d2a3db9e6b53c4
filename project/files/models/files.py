"""Tables of files, their versions, blobs, thumbnails and tags."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID, uuid4

from sqlalchemy import (
    BigInteger,
    Boolean,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    bindparam,
    case,
    exists,
    func,
    select,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from project.core.clock import now
from project.core.database.compiled_query import CompiledQuery
from project.core.database.keyset_pagination import Keyset
from project.core.database.rows import select_row, select_rows
from project.core.database.session import AnySelect, Base
from project.core.database.types import UTCDateTime, aggregate_words
from project.core.tasks import gave_up_since, is_pending
from project.files.rows import (
    ArchivedFileRow,
    FileRow,
    OwnedFileRow,
    ThumbnailRow,
    TypeCountRow,
    VersionRow,
)

from .blobs import Blob
from .quota import Usage

PENDING, READY, FAILED = 'pending', 'ready', 'failed'

# States of a pending thumbnail: no task will make it (LOST), or its task has failed permanently a
# short time ago (GIVEN_UP). Both are computed from the task, not stored.
LOST, GIVEN_UP = 'lost', 'given up'

# After this time, a thumbnail whose task has failed permanently can be requested again.
THUMBNAIL_RETRY_INTERVAL = timedelta(minutes=10)

# Results of the malware scanner. Before the scan, the column is None.
CLEAN, INFECTED, UNSCANNABLE = 'clean', 'infected', 'unscannable'


class File(Base):
    """A file of a user: its name, and the metadata of its newest version."""

    __tablename__ = 'files'
    __table_args__ = (
        Index(None, 'owner_id', 'created_at', 'id'),
        Index(None, 'owner_id', 'name', 'id'),
        Index(None, 'owner_id', 'size', 'id'),
        # For the filter `type` with the default order. With other orders, the matching rows are
        # sorted.
        Index(None, 'owner_id', 'type', 'created_at', 'id'),
        Index(None, 'trashed_at'),
        # A partial index, because a user's trash is small compared to all files of the user.
        Index(
            'ix_files_trash', 'owner_id', 'trashed_at',
            sqlite_where=text('trashed_at IS NOT NULL'),
            postgresql_where=text('trashed_at IS NOT NULL'),
        ),
    )  # fmt: skip

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    owner_id: Mapped[int] = mapped_column(ForeignKey('users.id'))
    name: Mapped[str] = mapped_column(String(255))
    size: Mapped[int] = mapped_column(BigInteger)
    # The metadata `size`, `type` and `sha256` are copied from the newest version, so that a list
    # needs no join.
    type: Mapped[str] = mapped_column(String(127))
    sha256: Mapped[str] = mapped_column(ForeignKey('files_blobs.sha256'), index=True)
    current_version: Mapped[int] = mapped_column(default=1)
    row_version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    trashed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    @classmethod
    def find_owned(cls, owner_id: int, file_id: UUID) -> OwnedFileRow | None:
        """Return the file with an id if the owner has it, even in the trash; else None."""
        return OWNED_FILE.first(owner_id=owner_id, id=file_id)

    @classmethod
    def find_untrashed(cls, owner_id: int, file_ids: Sequence[UUID]) -> list[ArchivedFileRow]:
        """Return the files with these ids that the owner has, except those in the trash."""
        current = (Version.file_id == cls.id) & (Version.number == cls.current_version)
        owned = (
            select(
                cls.id, cls.name, cls.size, cls.sha256, Blob.crc32,
                Version.created_at.label('content_created_at'), Version.scan,
            )
            .join(Version, current)
            .join(Blob, Blob.sha256 == cls.sha256)
            .where(cls.owner_id == owner_id, cls.id.in_(file_ids), cls.trashed_at.is_(None))
        )  # fmt: skip
        return select_rows(ArchivedFileRow, owned)

    @classmethod
    @cache
    def filtered(cls, names: frozenset[str]) -> AnySelect:
        """Return the SELECT of an owner's files with the named filters; cached per set of names.

        Its bind parameters are `owner_id`, `trashed`, and one for each filter.

        :param names: some of `name`, `type`, `tag` and `trashed`. Pass `trashed` to list the trash.
        """
        tagged = select(FileTag.file_id).where(FileTag.tag == bindparam('tag'))
        filters = {
            'name': cls.name == bindparam('name'),
            'type': cls.type == bindparam('type'),
            'tag': cls.id.in_(tagged),
            'trashed': NOT_EMPTIED,
        }
        in_trash = cls.trashed_at.is_not(None) == bindparam('trashed', type_=Boolean)
        mine = FILE_SELECT.where(cls.owner_id == bindparam('owner_id'), in_trash)
        return mine.where(*(filters[name] for name in sorted(names)))

    @classmethod
    def count_by_type(cls, owner_id: int | None = None) -> list[TypeCountRow]:
        """Return the number of files and their bytes by media type.

        :param owner_id: the owner of the files; None for the files of all users.
        """
        counted = (
            select(cls.type, func.count().label('files'), func.sum(cls.size).label('bytes'))
            .where(NOT_EMPTIED)
            .group_by(cls.type)
        )
        if owner_id is not None:
            counted = counted.where(cls.owner_id == owner_id)
        return select_rows(TypeCountRow, counted.order_by(cls.type))


class Version(Base):
    """A version of the content of a file, numbered from 1."""

    __tablename__ = 'files_versions'
    __table_args__ = (
        # A partial index of the versions that the scanner has not scanned yet.
        Index(
            'ix_files_versions_unscanned', 'file_id', 'number',
            sqlite_where=text('scan IS NULL'), postgresql_where=text('scan IS NULL'),
        ),
    )  # fmt: skip

    file_id: Mapped[UUID] = mapped_column(
        ForeignKey('files.id', ondelete='CASCADE'), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(BigInteger)
    type: Mapped[str] = mapped_column(String(127))
    sha256: Mapped[str] = mapped_column(ForeignKey('files_blobs.sha256'), index=True)
    # The media type that the client sent. It is stored for the owner, but never trusted.
    declared_type: Mapped[str | None] = mapped_column(String(127))
    # Each version has its own result of the scan. A result per blob would reveal to a user that
    # another user has stored the same bytes.
    scan: Mapped[str | None] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)

    @classmethod
    def find(cls, file_id: UUID, number: int) -> VersionRow | None:
        """Return a version of a file, or None."""
        return FILE_VERSION.first(file_id=file_id, number=number)


class Thumbnail(Base):
    """A thumbnail of a version; its state is `pending`, `ready`, or `failed` (unreadable image).

    Each version has its own thumbnails. A thumbnail per blob would reveal to a user that another
    user has stored the same bytes.
    """

    __tablename__ = 'files_thumbnails'
    __table_args__ = (
        ForeignKeyConstraint(
            ['file_id', 'number'], ['files_versions.file_id', 'files_versions.number'],
            ondelete='CASCADE',
        ),
    )  # fmt: skip

    file_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    edge: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    state: Mapped[str] = mapped_column(String(16), default=PENDING)
    # The storage key of the thumbnail and its size in bytes; None before it is stored.
    storage_key: Mapped[str | None] = mapped_column(String(128), unique=True)
    size: Mapped[int | None] = mapped_column(BigInteger)
    # The id of the task that makes the thumbnail.
    task_id: Mapped[UUID] = mapped_column()

    @classmethod
    def find(cls, file_id: UUID, number: int, edge: int) -> ThumbnailRow | None:
        """Return `state` and `storage_key` of a thumbnail; None if it was never requested.

        For `THUMBNAIL_RETRY_INTERVAL` after its task has failed permanently, the state is
        `GIVEN_UP`. If there is no task that will make it, the state is `LOST`. If the image
        cannot be decoded, the state is `FAILED`.
        """
        given_up = gave_up_since(cls.task_id, now() - THUMBNAIL_RETRY_INTERVAL)
        # A thumbnail without a key that is `ready` was made by an earlier release. It must be made
        # again.
        is_known = (cls.state == FAILED) | cls.storage_key.is_not(None)
        known = is_known | ((cls.state == PENDING) & is_pending(cls.task_id))
        state = case((known, cls.state), (given_up, GIVEN_UP), else_=LOST).label('state')
        one = select(state, cls.storage_key).where(
            cls.file_id == file_id, cls.number == number, cls.edge == edge
        )
        return select_row(ThumbnailRow, one)


class FileTag(Base):
    """A tag that the owner gave to a file."""

    __tablename__ = 'files_tags'
    __table_args__ = (Index(None, 'tag', 'file_id'),)

    file_id: Mapped[UUID] = mapped_column(
        ForeignKey('files.id', ondelete='CASCADE'), primary_key=True
    )
    tag: Mapped[str] = mapped_column(String(32), primary_key=True)


# SQL condition: the file was not in the trash when its owner last emptied the trash.
NOT_EMPTIED = ~(
    exists()
    .where(Usage.user_id == File.owner_id, Usage.trash_emptied_at > File.trashed_at)
    .correlate(File)
)

_tags = (
    select(aggregate_words(FileTag.tag))
    .where(FileTag.file_id == File.id)
    .correlate(File)
    .scalar_subquery()
    .label('tags')
)

FILE_SELECT = select(
    File.id, File.name, File.size, File.type, File.sha256, File.current_version,
    File.row_version.label('version'),     File.created_at, File.updated_at, File.trashed_at, _tags,
)  # fmt: skip

_scan = (
    select(Version.scan)
    .where(Version.file_id == File.id, Version.number == File.current_version)
    .correlate(File)
    .scalar_subquery()
    .label('scan')
)

OWNED_FILE = CompiledQuery(
    OwnedFileRow,
    FILE_SELECT.add_columns(_scan).where(
        File.owner_id == bindparam('owner_id'), File.id == bindparam('id'), NOT_EMPTIED
    ),
)

VERSIONS_OF_FILE = select(
    Version.number,
    Version.size,
    Version.type,
    Version.sha256,
    Version.declared_type,
    Version.scan,
    Version.created_at,
).where(Version.file_id == bindparam('file_id'))

FILE_VERSION = CompiledQuery(
    VersionRow, VERSIONS_OF_FILE.where(Version.number == bindparam('number'))
)

VERSIONS = Keyset(
    VersionRow,
    'files_versions',
    sorts={'number': Version.number},
    key=Version.number,
    default='-number',
)

FILES = Keyset(
    FileRow,
    'files',
    sorts={'name': File.name, 'size': File.size, 'created_at': File.created_at},
    key=File.id,
    default='-created_at',
)
