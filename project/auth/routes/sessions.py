"""Sessions over HTTP: logging in and out."""

from typing import Any
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
from project.auth.schemas import LoginSchema, SessionSchema
from project.core.database.keyset_pagination import CursorInvalid, Page, PageRequest
from project.core.throttling import TooManyAttempts
from project.core.web.endpoints.access import authenticated, current_principal, public
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.requests.fields import OtpCode, Password, Text, Token
from project.core.web.requests.pagination import ListQuery, sort_by

from . import blueprint


class RecoveryCodeText(Text):
    """A recovery code, as it may be typed: in any case, with or without its dashes."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min=1, max=64, **kwargs)


FACTOR_ERRORS = (OtpRequired, WrongOtp, WrongRecoveryCode)


class SessionCreateRequest(Schema):
    """A login."""

    user_or_email = fields.Str(required=True, validate=validate.Length(1, 254))
    password = Password(required=True)
    device = Token()
    otp = OtpCode()
    recovery_code = RecoveryCodeText()


@blueprint.post('/sessions')
@endpoint(
    allow=public, body=SessionCreateRequest, returns=LoginSchema, code=201, limit='60/minute',
    hashes_password=True,
    errors=[*FACTOR_ERRORS, WrongCredentials, EmailNotVerified, AccountDisabled, TooManyAttempts],
)  # fmt: skip
def session_create(body: dict[str, Any]) -> Any:
    """Log in, by username or email address. The tokens are shown this once.

    `token` opens doors for an hour, `refresh_token` gets the next two for 30 days, and 90 in all.
    Where a second factor is on, the right password alone is 401 `otp`: send `otp` or
    `recovery_code` with it. Keep `device` and send it with the next login: after ten wrong
    passwords in 15 minutes the name takes none for a while (429 `attempts`), except from known
    devices. Ten wrong `otp` behind the right password count likewise, and a mail notifies
    the owner.
    """
    return service.log_in(**body)


class SessionRefreshRequest(Schema):
    """The token for the next two."""

    refresh_token = Token(required=True)


@blueprint.post('/sessions/refresh')
@endpoint(
    allow=public, body=SessionRefreshRequest, returns=LoginSchema, limit='60/minute',
    errors=[WrongRefreshToken],
)  # fmt: skip
def session_refresh(body: dict[str, Any]) -> Any:
    """Get a new token and a new refresh token for a refresh token, which is used up by that.

    For ten seconds the same answer is given again, to other tabs and to who lost it. Later use of
    a used one ends the session, and a mail notifies its user.
    """
    return service.refresh_session(body['refresh_token'])


class SessionReauthenticateRequest(Schema):
    """Who asks, shown once more."""

    password = Password(required=True)
    otp = OtpCode()
    recovery_code = RecoveryCodeText()


@blueprint.post('/sessions/current/reauthentication')
@endpoint(
    allow=authenticated(), body=SessionReauthenticateRequest, returns=LoginSchema, code=201,
    limit='60/minute', hashes_password=True,
    errors=[*FACTOR_ERRORS, WrongCredentials, SessionNotFound, TooManyAttempts],
)  # fmt: skip
def session_reauthenticate(body: dict[str, Any]) -> Any:
    """Show your password again, and your second factor: for ten minutes the login is fresh.

    The session goes on with new tokens; the old ones die. Ten wrong passwords in 15 minutes: 429
    `attempts`.
    """
    return service.reauthenticate(current_principal(), **body)


class SessionListQuery(ListQuery):
    """Orders of the list of sessions."""

    sort = sort_by('created_at', 'last_used_at')


@blueprint.get('/sessions')
@endpoint(
    allow=authenticated(), query=SessionListQuery, returns=SessionSchema, many=True,
    errors=[CursorInvalid],
)  # fmt: skip
def session_list(page: PageRequest) -> Page:
    """List your sessions."""
    return service.list_sessions(current_principal(), page)


@blueprint.delete('/sessions')
@endpoint(allow=authenticated())
def session_delete_others() -> None:
    """End all your sessions but this one."""
    service.end_other_sessions(current_principal())


@blueprint.delete('/sessions/current')
@endpoint(allow=authenticated(), errors=[SessionNotFound])
def session_delete_current() -> None:
    """Log out."""
    service.end_current_session(current_principal())


@blueprint.delete('/sessions/<uuid:session_id>')
@endpoint(allow=authenticated(), errors=[SessionNotFound])
def session_delete(session_id: UUID) -> None:
    """End one of your sessions; the next request with its token is refused, on every worker."""
    service.end_session(current_principal().user_id, session_id)
