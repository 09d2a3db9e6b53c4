"""Response schemas of the feature `auth`."""

import json
from typing import Any

from marshmallow import Schema, fields, validate

from project.core.web.requests.fields import Timestamp
from project.users.schemas import UserSchema


class SessionSchema(Schema):
    """A session, without its tokens."""

    id = fields.UUID(metadata={'description': 'The id of the session.'})
    created_at = Timestamp(metadata={'description': 'The time of the login.'})
    last_used_at = Timestamp(
        metadata={'description': 'The time of the last request, at most a few minutes old.'}
    )
    expires_at = Timestamp(
        metadata={'description': 'The time from which the session can no longer be refreshed.'}
    )
    address = fields.Str(metadata={'description': 'The IP address of the login.'})
    user_agent = fields.Str(metadata={'description': 'The `User-Agent` header of the login.'})
    current = fields.Bool(
        metadata={'description': 'Whether the request itself belongs to the session.'}
    )


class LoginSchema(Schema):
    """A new or refreshed session with its tokens, which no other response contains."""

    token = fields.Str(
        metadata={'description': 'The bearer token, for the header `Authorization`.'}
    )
    token_type = fields.Str(
        validate=validate.OneOf(('Bearer',)),
        metadata={'description': 'How to send the token (RFC 6750).'},
    )
    expires_at = Timestamp(metadata={'description': 'The time until which the token is valid.'})
    refresh_token = fields.Str(
        metadata={'description': 'A token for new tokens. It can be used once.'}
    )
    refresh_expires_at = Timestamp(
        metadata={'description': 'The time until which the refresh token is valid.'}
    )
    device = fields.Str(
        allow_none=True,
        metadata={
            'description': 'The token of a new known device, for the next login; otherwise null.'
        },
    )
    session = fields.Nested(SessionSchema)
    user = fields.Nested(UserSchema)


class DeviceSchema(Schema):
    """The token of a known device, to send with the next login."""

    device = fields.Str(metadata={'description': 'The token of a known device.'})


class EnrolmentSchema(Schema):
    """The secret of a new authenticator."""

    secret = fields.Str(
        metadata={'description': 'The secret in base32, to type into an authenticator.'}
    )
    uri = fields.Str(metadata={'description': 'The secret as an `otpauth:` URI.'})
    qr = fields.Str(metadata={'description': 'The URI as a QR code, an SVG image.'})


class RecoveryCodesSchema(Schema):
    """Recovery codes, shown only once."""

    recovery_codes = fields.List(
        fields.Str(), metadata={'description': 'The codes, each of which can be used once.'}
    )


class ApiKeySchema(Schema):
    """An API key, without its token."""

    id = fields.UUID(metadata={'description': 'The id of the key.'})
    name = fields.Str(metadata={'description': 'The name of the key.'})
    hint = fields.Str(metadata={'description': 'The first characters of the key, to recognize it.'})
    scopes = fields.List(fields.Str(), metadata={'description': 'The permissions of the key.'})
    created_at = Timestamp(metadata={'description': 'The time of the creation.'})
    expires_at = Timestamp(
        allow_none=True,
        metadata={'description': 'The time until which the key is valid; null: without limit.'},
    )
    last_used_at = Timestamp(
        allow_none=True,
        metadata={
            'description': 'The time of the last request with the key; null if there was none.'
        },
    )


class NewApiKeySchema(ApiKeySchema):
    """A new API key with its token (`key`), which no other response contains."""

    key = fields.Str(
        metadata={'description': 'The key, for the header `Authorization` as a bearer token.'}
    )


class SecurityEventSchema(Schema):
    """A security event of an account."""

    id = fields.UUID(metadata={'description': 'The id of the event.'})
    created_at = Timestamp(metadata={'description': 'The time of the event.'})
    kind = fields.Str(
        metadata={'description': 'The action, such as `login` or `password_changed`.'}
    )
    outcome = fields.Str(
        validate=validate.OneOf(('success', 'failure')),
        metadata={'description': 'Whether the action succeeded.'},
    )
    actor = fields.Str(
        metadata={
            'description': 'The actor: `self`, `operator`, `system`, or a user such as `user:7`.'
        }
    )
    address = fields.Str(
        metadata={'description': 'The IP address of the client; empty without a client.'}
    )
    user_agent = fields.Str(metadata={'description': 'The `User-Agent` header of the client.'})
    request_id = fields.Str(
        metadata={'description': 'The id of the request in the log of the service.'}
    )
    details = fields.Method(
        'get_details',
        metadata={
            'description': 'Further values, which depend on the kind.',
            'type': 'object',
            'additionalProperties': True,
        },
    )

    def get_details(self, event: Any) -> object:
        """Return the decoded details of an event."""
        return json.loads(event.details)
