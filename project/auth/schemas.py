"""How auth looks from outside."""

from marshmallow import Schema, fields

from project.core.web.fields import Timestamp
from project.users.schemas import UserSchema


class SessionSchema(Schema):
    """A login, without its token."""

    id = fields.UUID()
    created_at = Timestamp()
    last_used_at = Timestamp()
    expires_at = Timestamp()
    address = fields.Str()
    user_agent = fields.Str()
    current = fields.Bool()


class LoginSchema(Schema):
    """A login just made or renewed: the only answers that carry tokens."""

    token = fields.Str()
    token_type = fields.Str()
    expires_at = Timestamp()
    refresh_token = fields.Str()
    refresh_expires_at = Timestamp()
    device = fields.Str(allow_none=True)
    session = fields.Nested(SessionSchema)
    user = fields.Nested(UserSchema)


class EnrolmentSchema(Schema):
    """What an authenticator is shown."""

    secret = fields.Str()
    uri = fields.Str()
    qr = fields.Str()


class RecoveryCodesSchema(Schema):
    """Codes that are shown this once."""

    recovery_codes = fields.List(fields.Str())
