"""Routes for exports of personal data."""

from uuid import UUID

from flask import Response

from project.core.database.keyset_pagination import CursorInvalid, Page, PageRequest
from project.core.errors import RangeNotSatisfiable
from project.core.web.endpoints.access import authenticated, current_principal
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.requests.pagination import ListQuery, sort_by
from project.core.web.responses.file_responses import CONTENT_HEADERS, send_stored_object
from project.core.web.responses.headers import USER_CONTENT
from project.users import service
from project.users.errors import ExportNotFound, ExportNotReady, ExportUnderWay
from project.users.rows import ExportRow
from project.users.schemas import ExportSchema

from . import blueprint

ZIP = 'application/zip'


class ExportListQuery(ListQuery):
    """Query of the list of exports."""

    sort = sort_by('created_at')


@blueprint.get('/me/exports')
@endpoint(
    allow=authenticated(),
    query=ExportListQuery,
    returns=ExportSchema,
    many=True,
    errors=[CursorInvalid],
)
def export_list(page: PageRequest) -> Page[ExportRow]:
    """List your exports, newest first."""
    return service.list_exports(current_principal().user_id, page)


@blueprint.post('/me/exports')
@endpoint(
    allow=authenticated(fresh=True), returns=ExportSchema, code=202, limit='10/day',
    location=('.export_show', 'export_id'), errors=[ExportUnderWay], idempotent=True,
)  # fmt: skip
def export_create() -> ExportRow:
    """Request an export of all your data as one ZIP.

    A mail notifies you when the export is ready. Requires a fresh login. Only one export can be
    pending. A ready export replaces the previous one and is kept for 7 days.
    """
    return service.request_export(current_principal().user_id)


@blueprint.get('/me/exports/<uuid:export_id>')
@endpoint(allow=authenticated(), returns=ExportSchema, errors=[ExportNotFound])
def export_show(export_id: UUID) -> ExportRow:
    """Show the state of an export: `pending`, `ready` or `failed`."""
    return service.get_export(current_principal().user_id, export_id)


@blueprint.get('/me/exports/<uuid:export_id>/content')
@endpoint(
    operation_id='downloadExport',
    allow=authenticated(fresh=True), security_headers=USER_CONTENT, produces=ZIP,
    extra_response_headers=CONTENT_HEADERS,
    errors=[ExportNotFound, ExportNotReady, RangeNotSatisfiable],
)  # fmt: skip
def export_content(export_id: UUID) -> Response:
    """Download an export or a range of it. Requires a fresh login."""
    export, stream = service.open_export(current_principal().user_id, export_id)
    name = f'export-{export.created_at:%Y-%m-%d}.zip'
    return send_stored_object(
        stream, etag=export.sha256 or str(export.id), mimetype=ZIP, name=name, sha256=export.sha256
    )
