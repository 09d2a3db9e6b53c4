"""Response schemas of the feature `auth`."""

import json
from typing import Any

from marshmallow import Schema, fields

from project.core.web.requests.fields import Timestamp
from project.users.schemas import UserSchema


class SessionSchema(Schema):
    """A session, without its tokens."""

    id = fields.UUID()
    created_at = Timestamp()
    last_used_at = Timestamp()
    expires_at = Timestamp()
    address = fields.Str()
    user_agent = fields.Str()
    current = fields.Bool()


class LoginSchema(Schema):
    """A new or refreshed session with its tokens, which no other response contains."""

    token = fields.Str()
    token_type = fields.Str()
    expires_at = Timestamp()
    refresh_token = fields.Str()
    refresh_expires_at = Timestamp()
    device = fields.Str(allow_none=True)
    session = fields.Nested(SessionSchema)
    user = fields.Nested(UserSchema)


class DeviceSchema(Schema):
    """The token of a known device, to send with the next login."""

    device = fields.Str()


class EnrolmentSchema(Schema):
    """The secret of a new authenticator."""

    secret = fields.Str()
    uri = fields.Str()
    qr = fields.Str()


class RecoveryCodesSchema(Schema):
    """Recovery codes, shown only once."""

    recovery_codes = fields.List(fields.Str())


class ApiKeySchema(Schema):
    """An API key, without its token."""

    id = fields.UUID()
    name = fields.Str()
    hint = fields.Str()
    scopes = fields.List(fields.Str())
    created_at = Timestamp()
    expires_at = Timestamp(allow_none=True)
    last_used_at = Timestamp(allow_none=True)


class NewApiKeySchema(ApiKeySchema):
    """A new API key with its token (`key`), which no other response contains."""

    key = fields.Str()


class EventSchema(Schema):
    """A security event of an account."""

    id = fields.UUID()
    created_at = Timestamp()
    kind = fields.Str()
    outcome = fields.Str()
    actor = fields.Str()
    address = fields.Str()
    user_agent = fields.Str()
    request_id = fields.Str()
    details = fields.Method('get_details', metadata={'type': 'object'})

    def get_details(self, event: Any) -> object:
        """Return the decoded details of an event."""
        return json.loads(event.details)
