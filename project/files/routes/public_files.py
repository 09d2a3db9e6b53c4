"""Routes of published files and of a report. Flask's `send_file` sends them."""

from hashlib import sha256
from io import BytesIO

from flask import Response, send_file, send_from_directory

from project.core.errors import NotFound, RangeNotSatisfiable
from project.core.web.endpoints.access import authenticated, current_principal, public
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.responses.file_responses import DISPOSITION_HEADERS
from project.core.web.responses.headers import PUBLIC_CONTENT, USER_CONTENT
from project.core.web.responses.ranges import drop_unsupported_ranges
from project.files import service
from project.files.permissions import READ

from . import blueprint


@blueprint.get('/report')
@endpoint(
    allow=authenticated(READ), security_headers=USER_CONTENT, produces='text/plain',
    limit='120/minute',
    extra_response_headers=DISPOSITION_HEADERS, errors=[RangeNotSatisfiable],
)  # fmt: skip
def report_show() -> Response:
    """Download `report.txt`: the number and bytes of your files by type."""
    report = service.get_report(current_principal().user_id).encode()
    drop_unsupported_ranges()
    response = send_file(
        BytesIO(report), mimetype='text/plain', as_attachment=True, download_name='report.txt',
        etag=sha256(report).hexdigest(),
    )  # fmt: skip
    return cached_by_policy(response)


@blueprint.get('/public/<path:filename>')
@endpoint(
    operation_id='downloadPublishedFile',
    allow=public, security_headers=PUBLIC_CONTENT, produces='*/*', limit='600/minute',
    extra_response_headers=DISPOSITION_HEADERS, errors=[NotFound, RangeNotSatisfiable],
    arguments={'filename': {'description': 'The published name, which may contain `/`.'}},
)  # fmt: skip
def published_show(filename: str) -> Response:
    """Download a file that an operator has published."""
    drop_unsupported_ranges()
    name = service.check_published_name(filename)
    return cached_by_policy(
        send_from_directory(service.published_folder(), name, as_attachment=True)
    )


def cached_by_policy(response: Response) -> Response:
    """Delete `Cache-Control`, so that the header policy of the route sets it.

    Flask sends `no-cache` with every file.
    """
    del response.headers['Cache-Control']
    return response
