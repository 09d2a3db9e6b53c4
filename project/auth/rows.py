"""Rows that the models of the feature `auth` return."""

from datetime import datetime
from typing import NamedTuple, TypedDict
from uuid import UUID


class PasswordHashRow(NamedTuple):
    """The password hash of a user, and when it expires."""

    password_hash: str
    expires_at: datetime | None


class LoginHashRow(NamedTuple):
    """The password hash of the user who logs in, or the reference hash of another user."""

    user_id: int
    password_hash: str
    expires_at: datetime | None


class RegistrationRow(NamedTuple):
    """A pending registration."""

    username: str
    email: str
    email_key: str
    name: str
    password_hash: str
    created_at: datetime
    expires_at: datetime


class InvitationRow(NamedTuple):
    """A pending invitation."""

    email: str
    email_key: str
    code_hash: bytes
    roles: list[str]
    invited_by: int | None


class EmailChangeRow(NamedTuple):
    """The new email address that a user requested."""

    email: str
    email_key: str


class LiveKeyRow(NamedTuple):
    """A valid API key and its user."""

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
    key_id: UUID
    scopes: list[str]
    last_used_at: datetime | None
    key_created_at: datetime


class ApiKeyRow(NamedTuple):
    """An API key, as mails to its owner show it."""

    user_id: int
    name: str
    prefix: str
    expires_at: datetime | None


class ListedKeyRow(NamedTuple):
    """An API key in a list; `hint` is its first characters."""

    id: UUID
    name: str
    hint: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class TotpRow(NamedTuple):
    """A user's authenticator; `confirmed_at` is None until the user confirms it."""

    encrypted_secret: bytes
    last_used_timestep: int
    created_at: datetime
    confirmed_at: datetime | None


class EventRow(NamedTuple):
    """A security event; `details` is JSON."""

    id: UUID
    created_at: datetime
    kind: str
    outcome: str
    actor: str
    address: str
    user_agent: str
    request_id: str
    details: str
    user_id: int | None


class DeviceRow(NamedTuple):
    """A known device, as a login needs it."""

    id: UUID
    has_passed_second_factor: bool


class SeenDeviceRow(NamedTuple):
    """A known device, and where it was last used."""

    id: UUID
    network: str
    user_agent: str


class LiveSessionRow(NamedTuple):
    """A valid session and its user."""

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
    session_id: UUID
    authenticated_at: datetime
    last_used_at: datetime


class SessionFamilyRow(NamedTuple):
    """A session, found by the prefix that all its refresh tokens share."""

    id: UUID
    user_id: int
    refresh_hash: str | None
    previous_refresh_hash: str | None
    grace_response_encrypted: bytes | None
    refreshed_at: datetime | None
    refresh_expires_at: datetime


class ListedSessionRow(NamedTuple):
    """A session in a list; `current` is true for the session of the request."""

    id: UUID
    created_at: datetime
    last_used_at: datetime
    address: str
    user_agent: str
    expires_at: datetime
    current: bool


class CreatedKey(TypedDict):
    """A new API key and its token (`key`), which is shown only once."""

    id: UUID
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    hint: str
    key: str
