"""Thumbnails over HTTP."""

from typing import Any
from uuid import UUID

from flask import Response
from marshmallow import Schema, fields, validate

from project.core.errors import RangeNotSatisfiable
from project.core.web.endpoints.access import current, member
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.responses.file_responses import send_bytes
from project.core.web.responses.headers import BYTES
from project.core.web.responses.jsend import api_later
from project.files import service
from project.files.errors import UNCLEAN, FileNotFound, NoThumbnail
from project.files.permissions import READ

from . import blueprint


class ThumbnailQuery(Schema):
    """How large: the longer side, in pixels."""

    size = fields.Int(load_default=256, validate=validate.OneOf(service.EDGES))


@blueprint.get('/<uuid:file_id>/thumbnail')
@endpoint(
    allow=member(READ), query=ThumbnailQuery, policy=BYTES, produces='image/webp', later=True,
    refuses=[FileNotFound, *UNCLEAN, NoThumbnail, RangeNotSatisfiable],
)  # fmt: skip
def thumbnail_show(file_id: UUID, query: dict[str, Any]) -> Response:
    """Show one of your images small, as WebP: `size` is 64, 256 or 1024.

    The first time it is made: 202, ask again after `Retry-After` seconds. Of JPEG, PNG, GIF, WebP
    and AVIF; of what cannot be read 422 `type`.
    """
    found = service.open_thumbnail(current().user_id, file_id, query['size'])
    if found is None:
        return api_later(1)
    etag, stream = found
    return send_bytes(stream, etag=etag, mimetype='image/webp')
