"""Routes that log in and out, refresh and list sessions."""

from typing import Any, NotRequired, TypedDict
from uuid import UUID

from marshmallow import Schema, fields, validate

from project.auth import service
from project.auth.errors import (
    AccountDisabled,
    EmailNotVerified,
    OtpRequired,
    SessionNotFound,
    WrongCredentials,
    WrongOtp,
    WrongRecoveryCode,
    WrongRefreshToken,
)
from project.auth.rows import ListedSessionRow
from project.auth.schemas import LoginSchema, SessionSchema
from project.core.database.keyset_pagination import CursorInvalid, Page, PageRequest
from project.core.throttling import TooManyAttempts
from project.core.web.endpoints.access import authenticated, current_principal, public
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.requests.fields import OtpCode, Password, Text, Token
from project.core.web.requests.pagination import ListQuery, sort_by

from . import blueprint


class RecoveryCodeText(Text):
    """A recovery code; case and dashes do not matter."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min=1, max=64, **kwargs)


FACTOR_ERRORS = (OtpRequired, WrongOtp, WrongRecoveryCode)


class SessionCreateRequest(Schema):
    """Credentials for a login."""

    user_or_email = fields.Str(
        required=True,
        validate=validate.Length(1, 254),
        metadata={'description': 'The username or the email address.', 'example': 'ada'},
    )
    password = Password(required=True)
    device = Token(metadata={'description': 'The `device` of an earlier login of this client.'})
    otp = OtpCode()
    recovery_code = RecoveryCodeText()


class SessionCreateBody(TypedDict):
    """The values of a `SessionCreateRequest`."""

    user_or_email: str
    password: str
    device: NotRequired[str]
    otp: NotRequired[str]
    recovery_code: NotRequired[str]


@blueprint.post('/sessions')
@endpoint(
    allow=public, body=SessionCreateRequest, returns=LoginSchema, code=201, limit='60/minute',
    hashes_password=True, location=('.session_delete', 'session_id', 'session.id'),
    errors=[*FACTOR_ERRORS, WrongCredentials, EmailNotVerified, AccountDisabled, TooManyAttempts],
)  # fmt: skip
def session_create(body: SessionCreateBody) -> service.Login:
    """Log in with a username or an email address. The tokens are shown only once.

    `token` is valid for an hour. `refresh_token` is valid for 30 days, and a session for at most
    90 days. If a second factor is on, the right password alone returns 401 `otp`: send `otp` or
    `recovery_code` as well. Keep `device` and send it with the next login: it makes the client a
    known device. After ten wrong passwords in 15 minutes, logins with this username or email
    address return 429 `attempts` for a while, except from known devices. Ten wrong `otp` with the
    right password have the same effect. A wrong second factor with the right password is reported
    to the owner by mail, at most three times a day.
    """
    return service.log_in(**body)


class SessionRefreshRequest(Schema):
    """The refresh token of a session."""

    refresh_token = Token(
        required=True,
        metadata={
            'description': 'The `refresh_token` of the session.',
            'example': 'prt_0123456789',
        },
    )


class SessionRefreshBody(TypedDict):
    """The values of a `SessionRefreshRequest`."""

    refresh_token: str


@blueprint.post('/sessions/refresh')
@endpoint(
    allow=public, body=SessionRefreshRequest, returns=LoginSchema, limit='60/minute',
    errors=[WrongRefreshToken],
)  # fmt: skip
def session_refresh(body: SessionRefreshBody) -> service.Login:
    """Exchange a refresh token for a new token and a new refresh token.

    A refresh token can be used once. A repeated request within ten seconds gets the same response,
    because several tabs may refresh at the same time, and responses may get lost. Later reuse ends
    the session, and a mail notifies the user.
    """
    return service.refresh_session(body['refresh_token'])


class SessionReauthenticateRequest(Schema):
    """Credentials that confirm the user of a session again."""

    password = Password(required=True)
    otp = OtpCode()
    recovery_code = RecoveryCodeText()


class SessionReauthenticateBody(TypedDict):
    """The values of a `SessionReauthenticateRequest`."""

    password: str
    otp: NotRequired[str]
    recovery_code: NotRequired[str]


@blueprint.post('/sessions/current/reauthentication')
@endpoint(
    allow=authenticated(), body=SessionReauthenticateRequest, returns=LoginSchema, code=201,
    limit='60/minute', hashes_password=True,
    location=('.session_delete', 'session_id', 'session.id'),
    errors=[*FACTOR_ERRORS, WrongCredentials, SessionNotFound, TooManyAttempts],
)  # fmt: skip
def session_reauthenticate(body: SessionReauthenticateBody) -> service.Login:
    """Confirm your password and second factor again.

    The login is then fresh for ten minutes. The session gets new tokens; the old ones become
    invalid. After ten wrong passwords in 15 minutes, the response is 429 `attempts`.
    """
    return service.reauthenticate(current_principal(), **body)


class SessionListQuery(ListQuery):
    """Query of the list of sessions."""

    sort = sort_by('created_at', 'last_used_at')


@blueprint.get('/sessions')
@endpoint(
    allow=authenticated(), query=SessionListQuery, returns=SessionSchema, many=True,
    errors=[CursorInvalid],
)  # fmt: skip
def session_list(page: PageRequest) -> Page[ListedSessionRow]:
    """List your sessions."""
    return service.list_sessions(current_principal(), page)


@blueprint.delete('/sessions')
@endpoint(operation_id='deleteOtherSessions', allow=authenticated())
def session_delete_others() -> None:
    """End all your sessions except the current one."""
    service.end_other_sessions(current_principal())


@blueprint.delete('/sessions/current')
@endpoint(operation_id='deleteCurrentSession', allow=authenticated(), errors=[SessionNotFound])
def session_delete_current() -> None:
    """Log out."""
    service.end_current_session(current_principal())


@blueprint.delete('/sessions/<uuid:session_id>')
@endpoint(allow=authenticated(), errors=[SessionNotFound])
def session_delete(session_id: UUID) -> None:
    """End one of your sessions. The next request with its token returns 401."""
    service.end_session(current_principal().user_id, session_id)
