"""Routes for API keys."""

from datetime import datetime
from typing import NotRequired, TypedDict
from uuid import UUID

from marshmallow import Schema, fields, validate

from project.auth import service
from project.auth.errors import ExpiryPast, KeyNotFound, ScopeUnknown, TooManyKeys
from project.auth.rows import CreatedKey, ListedKeyRow
from project.auth.schemas import ApiKeySchema, NewApiKeySchema
from project.core.database.keyset_pagination import CursorInvalid, Page, PageRequest
from project.core.web.endpoints.access import authenticated, current_principal
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.requests.fields import PermissionName, Text, Timestamp
from project.core.web.requests.pagination import ListQuery, sort_by
from project.users.errors import PrivilegeEscalation

from . import blueprint


class KeyListQuery(ListQuery):
    """Query of the list of API keys."""

    sort = sort_by('created_at', 'name')


@blueprint.get('/keys')
@endpoint(
    allow=authenticated(),
    query=KeyListQuery,
    returns=ApiKeySchema,
    many=True,
    errors=[CursorInvalid],
)
def key_list(page: PageRequest) -> Page[ListedKeyRow]:
    """List your API keys, without the keys themselves."""
    return service.list_keys(current_principal(), page)


class KeyCreateRequest(Schema):
    """A new API key."""

    name = Text(
        required=True,
        min=1,
        max=80,
        metadata={'description': 'A name to recognize the key.', 'example': 'Nightly build'},
    )
    scopes = fields.List(
        PermissionName(),
        required=True,
        validate=validate.Length(1, 50),
        metadata={'description': 'The permissions of the key.', 'example': ['profile:read']},
    )
    expires_at = Timestamp(
        allow_none=True,
        metadata={
            'description': 'The time until which the key is valid; null or missing: without limit.'
        },
    )


class KeyCreateBody(TypedDict):
    """The values of a `KeyCreateRequest`."""

    name: str
    scopes: list[str]
    expires_at: NotRequired[datetime | None]


@blueprint.post('/keys')
@endpoint(
    allow=authenticated(fresh=True), body=KeyCreateRequest, returns=NewApiKeySchema, code=201,
    limit='60/15 minutes', location=('.key_delete', 'key_id'),
    errors=[ScopeUnknown, PrivilegeEscalation, ExpiryPast, TooManyKeys],
)  # fmt: skip
def key_create(body: KeyCreateBody) -> CreatedKey:
    """Create an API key for a program.

    The key is shown only once, and a mail notifies you. `scopes` are permissions, such as
    `files:read`. You must hold each of them, otherwise the response is 403. If you lose one of them
    later, the key loses it, too. More than 50 keys return 409.
    """
    return service.create_key(current_principal(), **body)


@blueprint.delete('/keys/<uuid:key_id>')
@endpoint(allow=authenticated(), errors=[KeyNotFound])
def key_delete(key_id: UUID) -> None:
    """Delete one of your API keys. The next request with it returns 401."""
    service.delete_key(current_principal().user_id, key_id)
