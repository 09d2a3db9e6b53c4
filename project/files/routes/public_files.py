"""What operators published, and the report, over HTTP: files that Flask itself sends."""

from io import BytesIO

from flask import Response, send_file, send_from_directory

from project.core.errors import NotFound, RangeNotSatisfiable
from project.core.web.endpoints.access import current, member, public
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.responses.file_responses import NAMED
from project.core.web.responses.headers import BYTES, PUBLISHED
from project.core.web.responses.ranges import ignore_odd_ranges
from project.files import service
from project.files.permissions import READ

from . import blueprint


@blueprint.get('/report')
@endpoint(
    allow=member(READ), policy=BYTES, produces='text/plain', tells=NAMED,
    refuses=[RangeNotSatisfiable],
)  # fmt: skip
def report_show() -> Response:
    """Download `report.txt`, a summary of your files."""
    report = BytesIO(service.get_report(current().user_id).encode())
    ignore_odd_ranges()
    return cached_by_policy(
        send_file(report, mimetype='text/plain', as_attachment=True, download_name='report.txt')
    )


@blueprint.get('/public/<path:filename>')
@endpoint(
    allow=public, policy=PUBLISHED, produces='*/*', tells=NAMED,
    refuses=[NotFound, RangeNotSatisfiable],
)  # fmt: skip
def published_show(filename: str) -> Response:
    """Download what operators published."""
    ignore_odd_ranges()
    name = service.check_published_name(filename)
    return cached_by_policy(
        send_from_directory(service.published_folder(), name, as_attachment=True)
    )


def cached_by_policy(response: Response) -> Response:
    """Leave to the route's policy what caches may do: Flask says `no-cache` to every file."""
    del response.headers['Cache-Control']
    return response
