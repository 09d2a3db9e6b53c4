"""Response schemas of the feature `users`, and the field for new usernames."""

from datetime import datetime
from typing import Any

from flask import current_app, url_for
from marshmallow import Schema, fields, validate

from project.core.clock import now
from project.core.web.requests.fields import EmailAddress, Text, Timestamp

from .models import role_etag
from .name_patterns import TYPED_USERNAME
from .permissions import BUILT_IN, permissions_of_role
from .rows import etag_parts


class Username(Text):
    """A new username: 3–32 characters of `a-z 0-9 _ -` in any case, beginning with a letter."""

    def __init__(self, **kwargs: Any) -> None:
        shape = validate.Regexp(TYPED_USERNAME, error='Not a valid username.')
        super().__init__(min=3, max=32, validate=[shape], **kwargs)


class UserSchema(Schema):
    """A user, as returned to the user and to administrators."""

    id = fields.Int()
    username = fields.Str()
    email = EmailAddress()
    name = fields.Str()
    bio = fields.Str()
    roles = fields.List(fields.Str())
    status = fields.Str()
    version = fields.Int()
    created_at = Timestamp()
    updated_at = Timestamp()

    @staticmethod
    def etag(user: Any) -> str:
        """Return the ETag of a user."""
        before, after = etag_parts(user)
        return f'{before}{user.version}{after}'


class UserProfileSchema(Schema):
    """The public profile of a user."""

    username = fields.Str()
    name = fields.Str()
    bio = fields.Str()
    profile_image = fields.Method(
        'get_profile_image', metadata={'type': ['string', 'null'], 'format': 'uri'}
    )
    since_logged_in = fields.Method(
        'get_since_logged_in', metadata={'type': ['integer', 'null'], 'minimum': 0}
    )

    def get_profile_image(self, user: Any) -> str | None:
        """Return the public URL of the avatar, or None."""
        if user.profile_image is None:
            return None
        path = url_for('api_v1.users.user_avatar', username=user.username)
        return f'{current_app.config["PUBLIC_URL"].rstrip("/")}{path}'

    def get_since_logged_in(self, user: Any) -> int | None:
        """Return the whole days since the last login; None if the user never logged in."""
        last_login: datetime | None = user.last_login
        return None if last_login is None else max(0, (now() - last_login).days)


class RoleSchema(Schema):
    """A role and its permissions."""

    name = fields.Str()
    permissions = fields.Method(
        'get_permissions', metadata={'type': 'array', 'items': {'type': 'string'}}
    )
    built_in = fields.Method('get_built_in', metadata={'type': 'boolean'})
    version = fields.Int()
    created_at = Timestamp()
    updated_at = Timestamp()

    @staticmethod
    def etag(role: Any) -> str:
        """Return the ETag of a role."""
        return role_etag(role)

    def get_permissions(self, role: Any) -> list[str]:
        """Return the permissions of a role, without those that no feature declares."""
        return sorted(permissions_of_role(role.name, role.permissions))

    def get_built_in(self, role: Any) -> bool:
        """Return whether a role is built-in: its permissions are defined in the code."""
        return role.name in BUILT_IN


class ExportSchema(Schema):
    """An export of personal data and its state."""

    id = fields.UUID()
    state = fields.Str(validate=validate.OneOf(('pending', 'ready', 'failed')))
    size = fields.Int(allow_none=True)
    created_at = Timestamp()
    expires_at = Timestamp()
