"""Route that sends thumbnails."""

from typing import TypedDict
from uuid import UUID

from flask import Response
from marshmallow import Schema, fields, validate

from project.core.errors import RangeNotSatisfiable
from project.core.web.endpoints.access import authenticated, current_principal
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.responses.file_responses import send_stored_object
from project.core.web.responses.headers import USER_CONTENT
from project.core.web.responses.jsend import api_accepted
from project.files import service
from project.files.errors import SCAN_ERRORS, FileNotFound, NotAnImage, QuotaExceeded
from project.files.permissions import READ

from . import blueprint


class ThumbnailQuery(Schema):
    """Query of a thumbnail: the length of its longer side in pixels."""

    size = fields.Int(
        load_default=256,
        validate=validate.OneOf(service.THUMBNAIL_EDGES_PIXELS),
        metadata={'description': 'The length of the longer side in pixels.'},
    )


class ThumbnailParameters(TypedDict):
    """The values of a `ThumbnailQuery`."""

    size: int


@blueprint.get('/<uuid:file_id>/thumbnail')
@endpoint(
    allow=authenticated(READ), query=ThumbnailQuery, security_headers=USER_CONTENT,
    produces='image/webp', may_return_202=True, limit='600/minute',
    errors=[FileNotFound, *SCAN_ERRORS, NotAnImage, QuotaExceeded, RangeNotSatisfiable],
)  # fmt: skip
def thumbnail_show(file_id: UUID, query: ThumbnailParameters) -> Response:
    """Download a thumbnail of one of your images, as WebP: `size` is 64, 256 or 1024.

    The first request starts a task and returns 202. Repeat the request after `Retry-After` seconds.
    The image must be JPEG, PNG, GIF, WebP or AVIF; an unreadable image returns 422 `type`. If your
    thumbnails take a tenth of your quota, and at least 16 MB, the response is 413 `quota`. After
    five failed attempts of the task, the response is 503 for ten minutes.
    """
    found = service.open_thumbnail(current_principal().user_id, file_id, query['size'])
    if found is None:
        return api_accepted(1)
    etag, stream = found
    return send_stored_object(stream, etag=etag, mimetype='image/webp')
