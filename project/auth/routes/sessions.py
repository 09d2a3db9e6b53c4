"""Sessions over HTTP: logging in and out."""

from typing import Any
from uuid import UUID

from marshmallow import Schema, fields, validate

from project.auth import service
from project.auth.errors import (
    AccountDisabled,
    EmailNotVerified,
    SessionNotFound,
    WrongCredentials,
)
from project.auth.schemas import LoginSchema, SessionSchema
from project.core.data.guesses import GuessesSpent
from project.core.data.keyset import CursorInvalid, Page, PageRequest
from project.core.web.access import current, member, public
from project.core.web.endpoint import endpoint
from project.core.web.fields import Password
from project.core.web.pagination import ListQuery, sort_by

from .mount import blueprint


class SessionCreateRequest(Schema):
    """A login."""

    user_or_email = fields.Str(required=True, validate=validate.Length(1, 254))
    password = Password(required=True)


@blueprint.post('/sessions')
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


@blueprint.get('/sessions')
@endpoint(
    allow=member(), query=SessionListQuery, returns=SessionSchema, many=True,
    refuses=[CursorInvalid],
)  # fmt: skip
def session_list(page: PageRequest) -> Page:
    """List your sessions."""
    return service.list_sessions(current(), page)


@blueprint.delete('/sessions')
@endpoint(allow=member())
def session_delete_others() -> None:
    """End all your sessions but this one."""
    service.end_other_sessions(current())


@blueprint.delete('/sessions/current')
@endpoint(allow=member(), refuses=[SessionNotFound])
def session_delete_current() -> None:
    """Log out."""
    service.end_current_session(current())


@blueprint.delete('/sessions/<uuid:session_id>')
@endpoint(allow=member(), refuses=[SessionNotFound])
def session_delete(session_id: UUID) -> None:
    """End one of your sessions; the next request with its token is refused, on every worker."""
    service.end_session(current().user_id, session_id)
