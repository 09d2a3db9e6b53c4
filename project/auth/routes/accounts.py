"""The HTTP face of auth: accounts, sessions, password."""

from typing import Any
from uuid import UUID

from flask import Blueprint
from marshmallow import Schema, fields, validate

from project.core.data.guesses import GuessesSpent
from project.core.data.keyset import CursorInvalid, Page, PageRequest
from project.core.web.access import current, member, public
from project.core.web.endpoint import endpoint
from project.core.web.fields import EmailAddress, Password, PinCode, Text
from project.core.web.pagination import ListQuery, sort_by
from project.users.errors import EmailTaken, UsernameReserved, UsernameTaken
from project.users.schemas import Username, UserSchema

from . import service
from .errors import (
    AccountDisabled,
    EmailNotVerified,
    PasswordTooWeak,
    SessionNotFound,
    WrongCredentials,
    WrongPassword,
    WrongPin,
)
from .schemas import LoginSchema, SessionSchema

auth = Blueprint('auth', __name__, url_prefix='/auth', template_folder='templates')


class AccountCreateRequest(Schema):
    """A registration."""

    username = Username(required=True)
    email = EmailAddress(required=True)
    password = Password(required=True, min=8)
    name = Text(max=80, load_default='')


@auth.post('/accounts')
@endpoint(
    allow=public, body=AccountCreateRequest, code=202, limit='20/hour',
    refuses=[UsernameTaken, UsernameReserved, PasswordTooWeak, GuessesSpent],
)  # fmt: skip
def account_create(body: dict[str, Any]) -> None:
    """Register. The answer is the same whether or not the address is known.

    A PIN of six digits goes to the address by mail, for `PUT /auth/verifications`; a known address
    gets a notice instead. The registration is kept for 24 hours, and registering again with the
    same password begins them anew. Ten times a day per address.
    """
    service.register(**body)


class VerificationCreateRequest(Schema):
    """An address that waits for its PIN."""

    email = EmailAddress(required=True)


@auth.post('/verifications')
@endpoint(
    allow=public, body=VerificationCreateRequest, code=202, limit='20/hour', refuses=[GuessesSpent]
)
def verification_create(body: dict[str, Any]) -> None:
    """Mail a new PIN, if there is something to verify; the answer does not tell. Older ones die.

    A known address gets a notice instead. Ten times a day per address.
    """
    service.resend_verification(body['email'])


class VerificationReplaceRequest(Schema):
    """What confirms a registration."""

    email = EmailAddress(required=True)
    pin = PinCode(required=True)
    password = Password(required=True)


@auth.put('/verifications')
@endpoint(
    allow=public, body=VerificationReplaceRequest, returns=UserSchema, code=201, limit='60/hour',
    refuses=[WrongPin, GuessesSpent, UsernameTaken, EmailTaken],
    location=('api_v1.users.user', 'user_id'),
)  # fmt: skip
def verification_replace(body: dict[str, Any]) -> Any:
    """Confirm an address with its PIN and the registration's password: only now there is a user.

    Wrong, used, expired and replaced PINs look the same. Five tries a PIN, 20 a day per address.
    """
    return service.verify_account(**body)


class SessionCreateRequest(Schema):
    """A login."""

    user_or_email = fields.Str(required=True, validate=validate.Length(1, 254))
    password = Password(required=True)


@auth.post('/sessions')
@endpoint(
    allow=public, body=SessionCreateRequest, returns=LoginSchema, code=201, limit='60/minute',
    refuses=[WrongCredentials, EmailNotVerified, AccountDisabled, GuessesSpent],
)  # fmt: skip
def session_create(body: dict[str, Any]) -> Any:
    """Log in, by username or address. The token is shown this once.

    After ten wrong passwords in 15 minutes the account takes none for a while: 429 `attempts`.
    """
    return service.log_in(**body)


class SessionListQuery(ListQuery):
    """Orders of the list of sessions."""

    sort = sort_by('created_at', 'last_used_at')


@auth.get('/sessions')
@endpoint(
    allow=member(), query=SessionListQuery, returns=SessionSchema, many=True,
    refuses=[CursorInvalid],
)  # fmt: skip
def session_list(page: PageRequest) -> Page:
    """List your sessions."""
    return service.list_sessions(current(), page)


@auth.delete('/sessions')
@endpoint(allow=member())
def session_delete_others() -> None:
    """End all your sessions but this one."""
    service.end_other_sessions(current())


@auth.delete('/sessions/current')
@endpoint(allow=member(), refuses=[SessionNotFound])
def session_delete_current() -> None:
    """Log out."""
    service.end_current_session(current())


@auth.delete('/sessions/<uuid:session_id>')
@endpoint(allow=member(), refuses=[SessionNotFound])
def session_delete(session_id: UUID) -> None:
    """End one of your sessions; the next request with its token is refused, on every worker."""
    service.end_session(current().user_id, session_id)


class PasswordReplaceRequest(Schema):
    """The old and the new."""

    current_password = Password(required=True)
    new_password = Password(required=True, min=8)


@auth.put('/password')
@endpoint(
    allow=member(), body=PasswordReplaceRequest, limit='20/hour',
    refuses=[WrongPassword, PasswordTooWeak, GuessesSpent],
)  # fmt: skip
def password_replace(body: dict[str, Any]) -> None:
    """Change your password. Your other sessions end, and a mail tells you."""
    service.change_password(current(), **body)
