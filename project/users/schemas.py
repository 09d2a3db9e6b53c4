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

    id = fields.Int(metadata={'description': 'The id of the user.'})
    username = fields.Str(
        metadata={'description': 'The unique name of the user, for the login and in URLs.'}
    )
    email = EmailAddress()
    name = fields.Str(metadata={'description': 'The name that others see.'})
    bio = fields.Str(metadata={'description': 'A text of the user about themselves.'})
    roles = fields.List(
        fields.Str(), metadata={'description': 'The names of the roles of the user.'}
    )
    status = fields.Str(
        validate=validate.OneOf(('active', 'disabled')),
        metadata={'description': 'Whether the user can log in.'},
    )
    version = fields.Int(
        metadata={
            'description': 'A number that grows with each change, except the deletion of a role. '
            '`If-Match` compares the `ETag`, not this number.'
        }
    )
    created_at = Timestamp(metadata={'description': 'The time of the creation.'})
    updated_at = Timestamp(metadata={'description': 'The time of the last change.'})

    @staticmethod
    def etag(user: Any) -> str:
        """Return the ETag of a user."""
        before, after = etag_parts(user)
        return f'{before}{user.version}{after}'


class UserProfileSchema(Schema):
    """The public profile of a user."""

    username = fields.Str(metadata={'description': 'The unique name of the user.'})
    name = fields.Str(metadata={'description': 'The name that others see.'})
    bio = fields.Str(metadata={'description': 'A text of the user about themselves.'})
    profile_image = fields.Method(
        'get_profile_image',
        metadata={
            'description': 'The public URL of the avatar; null without an avatar.',
            'type': ['string', 'null'],
            'format': 'uri',
        },
    )
    since_logged_in = fields.Method(
        'get_since_logged_in',
        metadata={
            'description': 'The whole days since the last login; null if the user never logged in.',
            'type': ['integer', 'null'],
            'minimum': 0,
        },
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

    name = fields.Str(metadata={'description': 'The unique name of the role.'})
    permissions = fields.Method(
        'get_permissions',
        metadata={
            'description': 'The permissions that the role gives.',
            'type': 'array',
            'items': {'type': 'string'},
        },
    )
    built_in = fields.Method(
        'get_built_in',
        metadata={
            'description': 'Whether the code defines the permissions.',
            'type': 'boolean',
        },
    )
    version = fields.Int(
        metadata={
            'description': 'A number that grows with each change. `If-Match` compares the `ETag`, '
            'not this number.'
        }
    )
    created_at = Timestamp(metadata={'description': 'The time of the creation.'})
    updated_at = Timestamp(metadata={'description': 'The time of the last change.'})

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

    id = fields.UUID(metadata={'description': 'The id of the export.'})
    state = fields.Str(
        validate=validate.OneOf(('pending', 'ready', 'failed')),
        metadata={'description': 'Whether the export can be downloaded.'},
    )
    size = fields.Int(
        allow_none=True,
        metadata={'description': 'The size of the ZIP in bytes; null until it is ready.'},
    )
    created_at = Timestamp(metadata={'description': 'The time of the request.'})
    expires_at = Timestamp(metadata={'description': 'The time of its deletion.'})
