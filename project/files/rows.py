"""Rows that the models of the feature `files` return."""

from datetime import datetime
from typing import NamedTuple, TypedDict
from uuid import UUID


class FileRow(NamedTuple):
    """A file in a list."""

    id: UUID
    name: str
    size: int
    type: str
    sha256: str
    current_version: int
    version: int
    created_at: datetime
    updated_at: datetime
    trashed_at: datetime | None
    tags: list[str]


class OwnedFileRow(NamedTuple):
    """A file of its owner, with the result of the scan of its current version."""

    id: UUID
    name: str
    size: int
    type: str
    sha256: str
    current_version: int
    version: int
    created_at: datetime
    updated_at: datetime
    trashed_at: datetime | None
    tags: list[str]
    scan: str | None


class ArchivedFileRow(NamedTuple):
    """A file with the columns that an archive needs.

    :param crc32: None if an earlier release has stored the bytes.
    """

    id: UUID
    name: str
    size: int
    sha256: str
    crc32: int | None
    content_created_at: datetime
    scan: str | None


class TypeCountRow(NamedTuple):
    """The number of files of a media type, and their size in bytes."""

    type: str
    files: int
    bytes: int


class VersionRow(NamedTuple):
    """A version of a file."""

    number: int
    size: int
    type: str
    sha256: str
    declared_type: str | None
    scan: str | None
    created_at: datetime


class ThumbnailRow(NamedTuple):
    """The state of a thumbnail, and its storage key (None before it is stored)."""

    state: str
    storage_key: str | None


class LinkRow(NamedTuple):
    """A valid link, and the owner of its file."""

    id: UUID
    file_id: UUID
    password_hash: str | None
    expires_at: datetime | None
    owner_id: int


class ListedLinkRow(NamedTuple):
    """A link in a list."""

    id: UUID
    created_at: datetime
    expires_at: datetime | None
    max_downloads: int | None
    downloads: int
    has_password: bool


class UsageRow(NamedTuple):
    """The used and reserved bytes of a user, and the quota; None means the default quota."""

    used: int
    reserved: int
    thumbnail_bytes: int
    quota: int | None


class UploadRow(NamedTuple):
    """A resumable upload."""

    id: UUID
    declared_size: int
    offset: int
    name: str
    tus_metadata: str
    file_id: UUID | None
    expires_at: datetime


class ListedUploadRow(NamedTuple):
    """An upload, resumable or not, in an export of personal data; `length` is None if unknown."""

    id: UUID
    name: str
    length: int | None
    offset: int
    reserved: int
    described: str
    file_id: UUID | None
    created_at: datetime
    expires_at: datetime


class CreatedLink(TypedDict):
    """A new link and its token, which is shown only once."""

    id: UUID
    created_at: datetime
    expires_at: datetime | None
    max_downloads: int | None
    downloads: int
    has_password: bool
    token: str


class UsageReport(TypedDict):
    """The used and reserved bytes of a user, the quota, and the number of files."""

    used: int
    reserved: int
    quota: int
    files: int


class TypeStats(TypedDict):
    """The number of files of a media type, and their size in bytes."""

    type: str
    files: int
    bytes: int


class StorageStats(TypedDict):
    """The number of stored objects of a kind, and their size in bytes.

    If the row is about the objects that the last garbage collection examined or deleted, `at` is
    its time; otherwise None.
    """

    kind: str
    objects: int
    bytes: int | None
    at: datetime | None


class DeletedUpload(NamedTuple):
    """A deleted upload, and the bytes of its reservation."""

    id: UUID
    owner_id: int
    reserved: int


class FreedBytes(NamedTuple):
    """The number of bytes that deleted versions, and their thumbnails, have freed."""

    versions: int
    thumbnails: int
