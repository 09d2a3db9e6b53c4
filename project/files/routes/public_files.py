"""Routes of published files and of a report."""

from flask import Response

from project.core.errors import NotFound, RangeNotSatisfiable
from project.core.web.endpoints.access import authenticated, current_principal, public
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.responses.file_responses import CONTENT_HEADERS
from project.core.web.responses.headers import PUBLIC_CONTENT, USER_CONTENT
from project.core.web.responses.other_files import LOCAL_FILE_HEADERS, send_bytes, send_local_file
from project.files import service
from project.files.permissions import READ

from . import blueprint


@blueprint.get('/report')
@endpoint(
    allow=authenticated(READ), security_headers=USER_CONTENT, produces='text/plain',
    limit='120/minute',
    extra_response_headers=CONTENT_HEADERS, errors=[RangeNotSatisfiable],
)  # fmt: skip
def report_show() -> Response:
    """Download `report.txt`: the number and bytes of your files by type."""
    report = service.get_report(current_principal().user_id)
    return send_bytes(report.encode(), mimetype='text/plain', name='report.txt')


@blueprint.get('/public/<path:filename>')
@endpoint(
    operation_id='downloadPublishedFile',
    allow=public, security_headers=PUBLIC_CONTENT, produces='*/*', limit='600/minute',
    extra_response_headers=LOCAL_FILE_HEADERS, errors=[NotFound, RangeNotSatisfiable],
    arguments={'filename': {'description': 'The published name, which may contain `/`.'}},
)  # fmt: skip
def published_show(filename: str) -> Response:
    """Download a file that an operator has published."""
    return send_local_file(service.get_published_path(filename))
