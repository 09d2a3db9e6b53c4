"""Routes of share links."""

from datetime import datetime
from typing import NotRequired, TypedDict
from uuid import UUID

from flask import Response, request
from marshmallow import Schema, fields, validate

from project.core.database.keyset_pagination import CursorInvalid, Page, PageRequest
from project.core.errors import RangeNotSatisfiable
from project.core.throttling import TooManyAttempts
from project.core.web.endpoints.access import authenticated, current_principal, public
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.requests.fields import Password, Timestamp
from project.core.web.requests.pagination import ListQuery, sort_by
from project.core.web.responses.file_responses import CONTENT_HEADERS
from project.core.web.responses.headers import SHARED_CONTENT, Header
from project.files import service
from project.files.errors import (
    SCAN_ERRORS,
    ExpiryPast,
    FileNotFound,
    LinkNotFound,
    LinkPasswordWrong,
    TooManyLinks,
)
from project.files.permissions import READ, WRITE
from project.files.rows import CreatedLink, ListedLinkRow, OwnedFileRow
from project.files.schemas import NewShareLinkSchema, SharedFileSchema, ShareLinkSchema
from project.users.errors import PrivilegeEscalation

from . import blueprint
from .content import ContentParameters, ContentQuery, send

# Errors of the routes for the holders of a link.
LINK_ERRORS = (LinkNotFound, FileNotFound, LinkPasswordWrong, TooManyAttempts)

PASSWORD_HEADER_NAME = 'X-Link-Password'
PASSWORD_HEADER = {PASSWORD_HEADER_NAME: Header('The password of the link, if it has one.')}

# This limit protects the CPU: each check of a password takes 50 ms of CPU time. Tokens need no
# limit, because they cannot be guessed.
SHARED_RATE_LIMIT = '120/minute'


TOKEN_ARGUMENT = {'token': {'description': 'The secret part of the URL of the link.'}}


class LinkListQuery(ListQuery):
    """Query of the list of share links."""

    sort = sort_by('created_at')


@blueprint.get('/<uuid:file_id>/links')
@endpoint(
    allow=authenticated(READ), query=LinkListQuery, returns=ShareLinkSchema, many=True,
    errors=[FileNotFound, CursorInvalid],
)  # fmt: skip
def link_list(file_id: UUID, page: PageRequest) -> Page[ListedLinkRow]:
    """List the share links of one of your files, without their tokens."""
    return service.list_links(current_principal().user_id, file_id, page)


class LinkCreateRequest(Schema):
    """A new share link."""

    expires_at = Timestamp(
        allow_none=True,
        metadata={
            'description': 'The time until which the link is valid; null or missing: without limit.'
        },
    )
    password = Password(
        allow_none=True,
        metadata={'description': 'The password of the link; null or missing: without password.'},
    )
    max_downloads = fields.Int(
        strict=True,
        allow_none=True,
        validate=validate.Range(1, 1_000_000_000),
        metadata={
            'description': 'The maximum number of responses with the file or a range of it; null '
            'or missing: without limit. A video player or a download accelerator requests many '
            'ranges, and each one counts.',
            'example': 10,
        },
    )


class LinkCreateBody(TypedDict):
    """The values of a `LinkCreateRequest`."""

    expires_at: NotRequired[datetime | None]
    password: NotRequired[str | None]
    max_downloads: NotRequired[int | None]


@blueprint.post('/<uuid:file_id>/links')
@endpoint(
    allow=authenticated(WRITE), body=LinkCreateRequest, returns=NewShareLinkSchema, code=201,
    limit='60/hour', hashes_password=True, location=('.link_delete', 'link_id'),
    errors=[FileNotFound, PrivilegeEscalation, ExpiryPast, TooManyLinks],
)  # fmt: skip
def link_create(file_id: UUID, body: LinkCreateBody) -> CreatedLink:
    """Create a share link to one of your files. Clients need no login to use the link.

    The link is shown only once. An API key needs the scope `files:read` as well, because the link
    gives the right to read. Clients send `password` as `X-Link-Password`. Each response with the
    file, or a range of it, counts towards `max_downloads`. So a video player or a download
    accelerator, which requests many ranges, soon uses up a low maximum. The link becomes invalid
    when the file is deleted, or when you lose the permission to read files.
    """
    return service.create_link(current_principal(), file_id, **body)


@blueprint.delete('/links/<uuid:link_id>')
@endpoint(allow=authenticated(WRITE), errors=[LinkNotFound])
def link_delete(link_id: UUID) -> None:
    """Delete a share link. The next request with it gets 404."""
    service.delete_link(current_principal().user_id, link_id)


@blueprint.get('/shared/<string:token>')
@endpoint(
    operation_id='getSharedFile',
    allow=public, arguments=TOKEN_ARGUMENT,
    returns=SharedFileSchema, errors=LINK_ERRORS, extra_request_headers=PASSWORD_HEADER,
    limit=SHARED_RATE_LIMIT, hashes_password=PASSWORD_HEADER_NAME,
)  # fmt: skip
def shared_show(token: str) -> OwnedFileRow:
    """Show the metadata of the file of a share link."""
    _, file = service.resolve_link(token, request.headers.get(PASSWORD_HEADER_NAME))
    return file


@blueprint.get('/shared/<string:token>/content')
@endpoint(
    operation_id='downloadSharedFile',
    allow=public, arguments=TOKEN_ARGUMENT, query=ContentQuery, security_headers=SHARED_CONTENT,
    produces='*/*',
    errors=[*LINK_ERRORS, *SCAN_ERRORS, RangeNotSatisfiable], extra_request_headers=PASSWORD_HEADER,
    extra_response_headers=CONTENT_HEADERS, limit=SHARED_RATE_LIMIT,
    hashes_password=PASSWORD_HEADER_NAME,
)  # fmt: skip
def shared_content(token: str, query: ContentParameters) -> Response:
    """Download the file of a share link, or ranges of it.

    Pages of other origins may embed it. The file is sent as an attachment. With `inline=true`,
    browsers display it if its type cannot contain active content. Each response 200 or 206 counts
    towards `max_downloads` of the link.
    """
    link, file, stream = service.open_shared(token, request.headers.get(PASSWORD_HEADER_NAME))
    response = send(stream, file.name, file, inline=query['inline'])
    # Count the download before the bytes are sent, because a proxy or the storage may send them
    # (FILES_OFFLOAD).
    if request.method == 'GET' and response.status_code != 304:
        service.count_download(link, stream)
    return response
