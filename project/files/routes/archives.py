"""Many files in one download."""

from typing import Any

from flask import Response
from marshmallow import Schema, fields, validate

from project.core.web.endpoints.access import current, member
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.responses.file_responses import NAMED
from project.core.web.responses.headers import BYTES
from project.files import service
from project.files.errors import UNCLEAN, FileNotFound
from project.files.permissions import READ

from . import blueprint


class ArchiveRequest(Schema):
    """Which files."""

    ids = fields.List(
        fields.UUID(), required=True, validate=validate.Length(1, service.MOST_ARCHIVED)
    )


@blueprint.post('/archives')
@endpoint(
    allow=member(READ), body=ArchiveRequest, policy=BYTES, produces='application/zip', tells=NAMED,
    refuses=[FileNotFound, *UNCLEAN], limit='60/minute',
)  # fmt: skip
def archive_create(body: dict[str, Any]) -> Response:
    """Download up to 1,000 of your files as one ZIP, made while it is sent.

    Its length is said before. Files of the same name are numbered.
    """
    archive = service.open_archive(current().user_id, body['ids'])
    response = Response(iter(archive), mimetype='application/zip')
    response.content_length = len(archive)
    response.headers['Content-Disposition'] = 'attachment; filename="files.zip"'
    return response
