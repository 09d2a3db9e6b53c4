"""Rows that the models of the feature `users` return."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from project.core.version_preconditions import digest_of


class ExportRow(NamedTuple):
    """An export of a user's personal data."""

    id: UUID
    state: str
    size: int | None
    sha256: str | None
    created_at: datetime
    expires_at: datetime


class RoleRow(NamedTuple):
    """A role."""

    name: str
    permissions: list[str]
    version: int
    created_at: datetime
    updated_at: datetime


class UserRow(NamedTuple):
    """A user with the names of the roles."""

    id: int
    username: str
    email: str
    name: str
    bio: str
    status: str
    version: int
    created_at: datetime
    updated_at: datetime
    roles: list[str]


def etag_parts(user: UserRow) -> tuple[str, str]:
    """Return the parts of a user's ETag before and after the version.

    `/users/me` is a URL of all users, so the ETags of two users must differ. The deletion of a role
    changes the roles of users, but not their versions.
    """
    return f'{user.id}-', f'-{digest_of(user.roles)}'


class ProfileRow(NamedTuple):
    """The public profile of a user; `profile_image` is the storage key of the avatar."""

    username: str
    name: str
    bio: str
    last_login: datetime | None
    profile_image: str | None


class StoredAvatar(NamedTuple):
    """A new avatar: the profile of its user, its ETag, and whether the user had none before."""

    profile: ProfileRow
    etag: str
    is_new: bool
