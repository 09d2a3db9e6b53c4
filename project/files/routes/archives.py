"""Routes of archives: many files in one download."""

from typing import TypedDict
from uuid import UUID

from flask import Response
from marshmallow import Schema, fields, validate

from project.core.web.endpoints.access import authenticated, current_principal
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.responses.file_responses import DISPOSITION_HEADERS
from project.core.web.responses.headers import USER_CONTENT
from project.files import service
from project.files.errors import SCAN_ERRORS, FileNotFound
from project.files.permissions import READ

from . import blueprint


class ArchiveRequest(Schema):
    """The ids of the files to download."""

    ids = fields.List(
        fields.UUID(),
        required=True,
        validate=validate.Length(1, service.MAX_FILES_PER_ARCHIVE),
        metadata={'description': 'The ids of your files, in the order of the archive.'},
    )


class ArchiveBody(TypedDict):
    """The values of an `ArchiveRequest`."""

    ids: list[UUID]


@blueprint.post('/archives')
@endpoint(
    allow=authenticated(READ), body=ArchiveRequest, security_headers=USER_CONTENT,
    produces='application/zip', extra_response_headers=DISPOSITION_HEADERS,
    errors=[FileNotFound, *SCAN_ERRORS], limit='60/minute',
)  # fmt: skip
def archive_create(body: ArchiveBody) -> Response:
    """Download up to 1,000 of your files as one ZIP archive.

    The archive is created while it is sent; its `Content-Length` is computed before. If files have
    the same name, the later ones get a number.
    """
    archive = service.open_archive(current_principal().user_id, body['ids'])
    response = Response(iter(archive), mimetype='application/zip')
    response.content_length = len(archive)
    response.headers['Content-Disposition'] = 'attachment; filename="files.zip"'
    return response
