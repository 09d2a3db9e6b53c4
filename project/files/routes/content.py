"""The bytes of files over HTTP, and the versions of them."""

from typing import Any
from uuid import UUID

from flask import Response, current_app, request
from marshmallow import Schema, fields

from project.core.database.keyset_pagination import CursorInvalid, Page, PageRequest
from project.core.errors import RangeNotSatisfiable
from project.core.storage import StoredObject
from project.core.web.endpoints.access import authenticated, current_principal
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.requests.fields import UploadedFile
from project.core.web.requests.pagination import ListQuery, sort_by
from project.core.web.responses.etags import expected_versions
from project.core.web.responses.file_responses import CONTENT_HEADERS, send_stored_object
from project.core.web.responses.headers import USER_CONTENT
from project.files import service
from project.files.errors import (
    SCAN_ERRORS,
    FileChanged,
    FileNotFound,
    FileTooLarge,
    QuotaExceeded,
)
from project.files.permissions import READ, WRITE
from project.files.schemas import FileSchema, VersionSchema
from project.files.sniffing import INLINE_SAFE_TYPES

from . import blueprint
from .form_uploads import open_upload


class ContentQuery(Schema):
    """How to show it."""

    inline = fields.Bool(load_default=False)


@blueprint.get('/<uuid:file_id>/content')
@endpoint(
    allow=authenticated(READ), query=ContentQuery, security_headers=USER_CONTENT, produces='*/*',
    extra_response_headers=CONTENT_HEADERS,
    errors=[FileNotFound, *SCAN_ERRORS, RangeNotSatisfiable],
)  # fmt: skip
def file_content(file_id: UUID, query: dict[str, Any]) -> Response:
    """Download one of your files, whole or a range of it.

    As an attachment; with `inline=true` types that cannot act are shown in place.
    """
    file, stream = service.open_content(current_principal().user_id, file_id)
    return send(stream, file.name, file, inline=query['inline'])


class ContentForm(Schema):
    """New bytes as a form."""

    file = UploadedFile(
        required=True, stream_factory=open_upload, metadata={'type': 'string', 'format': 'binary'}
    )


@blueprint.put('/<uuid:file_id>/content')
@endpoint(
    allow=authenticated(WRITE), form=ContentForm, consumes='*/*', returns=FileSchema,
    versioned=True, errors=[FileNotFound, FileChanged, FileTooLarge, QuotaExceeded],
    limit='600/minute', max_body_setting='FILES_MAX_SIZE',
)  # fmt: skip
def file_content_replace(file_id: UUID, form: dict[str, Any] | None) -> Any:
    """Give one of your files new bytes: a multipart form with `file`, or any body as it is.

    Those before stay as a version. What is answered with 200 survives a power cut.
    """
    owner_id, expected = current_principal().user_id, expected_versions()
    if form is None:
        return service.replace_content(
            owner_id, file_id, request.stream, length=request.content_length,
            declared_type=request.mimetype, expected=expected,
        )  # fmt: skip
    upload = form['file']
    return service.replace_with_upload(
        owner_id, file_id, upload.stream, declared_type=upload.mimetype, expected=expected
    )


class VersionListQuery(ListQuery):
    """Orders of the list of versions."""

    sort = sort_by('number')


@blueprint.get('/<uuid:file_id>/versions')
@endpoint(
    allow=authenticated(READ), query=VersionListQuery, returns=VersionSchema, many=True,
    errors=[FileNotFound, CursorInvalid],
)  # fmt: skip
def version_list(file_id: UUID, page: PageRequest) -> Page:
    """List what one of your files was, newest first; the newest is what it is."""
    return service.list_versions(current_principal().user_id, file_id, page)


@blueprint.get('/<uuid:file_id>/versions/<int:number>/content')
@endpoint(
    allow=authenticated(READ), query=ContentQuery, security_headers=USER_CONTENT, produces='*/*',
    extra_response_headers=CONTENT_HEADERS,
    errors=[FileNotFound, *SCAN_ERRORS, RangeNotSatisfiable],
)  # fmt: skip
def version_content(file_id: UUID, number: int, query: dict[str, Any]) -> Response:
    """Download a version of one of your files, whole or a range of it."""
    name, version, stream = service.open_version(current_principal().user_id, file_id, number)
    return send(stream, name, version, inline=query['inline'])


@blueprint.post('/<uuid:file_id>/versions/<int:number>/restore')
@endpoint(
    allow=authenticated(WRITE), returns=FileSchema, versioned=True, limit='600/minute',
    errors=[FileNotFound, FileChanged, QuotaExceeded],
)  # fmt: skip
def version_restore(file_id: UUID, number: int) -> Any:
    """Go back to a version: its bytes become the newest, and all others stay."""
    owner_id = current_principal().user_id
    return service.restore_version(owner_id, file_id, number, expected=expected_versions())


def send(stream: StoredObject, name: str, bytes_: Any, *, inline: bool = False) -> Response:
    """Answer with open bytes under a name; in place, where that is asked for, only the harmless."""
    return send_stored_object(
        stream, etag=bytes_.sha256, mimetype=bytes_.type, name=name, sha256=bytes_.sha256,
        inline=inline and bytes_.type in INLINE_SAFE_TYPES,
        offload=current_app.config['FILES_OFFLOAD'],
    )  # fmt: skip
