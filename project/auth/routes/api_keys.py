"""API keys over HTTP."""

from typing import Any
from uuid import UUID

from marshmallow import Schema, fields, validate

from project.auth import service
from project.auth.errors import ExpiryPast, KeyNotFound, ScopeUnknown, TooManyKeys
from project.auth.schemas import ApiKeySchema, NewApiKeySchema
from project.core.database.keyset_pagination import CursorInvalid, Page, PageRequest
from project.core.web.endpoints.access import current, member
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.requests.fields import Text, Timestamp
from project.core.web.requests.pagination import ListQuery, sort_by
from project.users.errors import MoreThanYouMay

from . import blueprint


class KeyListQuery(ListQuery):
    """Orders of the list of keys."""

    sort = sort_by('created_at', 'name')


@blueprint.get('/keys')
@endpoint(
    allow=member(), query=KeyListQuery, returns=ApiKeySchema, many=True, refuses=[CursorInvalid]
)
def key_list(page: PageRequest) -> Page:
    """List your API keys, without the keys themselves."""
    return service.list_keys(current(), page)


class KeyCreateRequest(Schema):
    """A new API key."""

    name = Text(required=True, min=1, max=80)
    scopes = fields.List(
        fields.Str(validate=validate.Length(1, 64)),
        required=True,
        validate=validate.Length(1, 50),
    )
    expires_at = Timestamp(allow_none=True)


@blueprint.post('/keys')
@endpoint(
    allow=member(fresh=True), body=KeyCreateRequest, returns=NewApiKeySchema, code=201,
    limit='60/hour', refuses=[ScopeUnknown, MoreThanYouMay, ExpiryPast, TooManyKeys],
)  # fmt: skip
def key_create(body: dict[str, Any]) -> Any:
    """Make an API key for a program. The key is shown this once, and a mail tells you.

    It may do what you may, within its scopes: permissions such as `files:read`. Refuses scopes that
    you do not hold yourself, and more than 50 keys.
    """
    return service.create_key(current(), **body)


@blueprint.delete('/keys/<uuid:key_id>')
@endpoint(allow=member(), refuses=[KeyNotFound])
def key_delete(key_id: UUID) -> None:
    """Delete one of your API keys; the next request with it is refused, on every worker."""
    service.delete_key(current().user_id, key_id)
