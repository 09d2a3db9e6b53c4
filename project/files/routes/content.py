"""Routes that send and replace the content of files and of their versions."""

from typing import Any, TypedDict
from uuid import UUID

from flask import Response, current_app, request
from marshmallow import Schema, fields
from werkzeug.datastructures import FileStorage

from project.core.database.keyset_pagination import CursorInvalid, Page, PageRequest
from project.core.errors import RangeNotSatisfiable
from project.core.storage import StoredObject
from project.core.web.endpoints.access import authenticated, current_principal
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.endpoints.locations import PutResult
from project.core.web.requests.fields import UploadedFile
from project.core.web.requests.pagination import ListQuery, sort_by
from project.core.web.responses.etags import version_precondition
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
from project.files.rows import OwnedFileRow, VersionRow
from project.files.schemas import FileVersionSchema, StoredFileSchema
from project.files.sniffing import INLINE_SAFE_TYPES

from . import blueprint
from .form_uploads import open_upload, written_upload

NUMBER_ARGUMENT = {'number': {'description': 'The number of the version.'}}


class ContentQuery(Schema):
    """Query of a download: whether a browser displays the content or saves it."""

    inline = fields.Bool(
        load_default=False,
        metadata={'description': 'Whether browsers display the content if its type is safe.'},
    )


class ContentParameters(TypedDict):
    """The values of a `ContentQuery`."""

    inline: bool


@blueprint.get('/<uuid:file_id>/content')
@endpoint(
    operation_id='downloadFile',
    allow=authenticated(READ), query=ContentQuery, security_headers=USER_CONTENT, produces='*/*',
    extra_response_headers=CONTENT_HEADERS,
    errors=[FileNotFound, *SCAN_ERRORS, RangeNotSatisfiable],
)  # fmt: skip
def file_content(file_id: UUID, query: ContentParameters) -> Response:
    """Download one of your files, or a range of it.

    The file is sent as an attachment. With `inline=true`, browsers display it if its type cannot
    contain active content.
    """
    file, stream = service.open_content(current_principal().user_id, file_id)
    return send(stream, file.name, file, inline=query['inline'])


def open_new_content(form_length: int | None) -> service.ReservedUpload:
    """Return the writer for the file of a form, as `open_upload` does, if it may be stored.

    :raises FileNotFound, FileChanged: as `service.replace_content` does.
    """
    file_id = (request.view_args or {})['file_id']
    service.ensure_replaceable(current_principal().user_id, file_id, version_precondition())
    return open_upload(form_length)


class ContentForm(Schema):
    """The new content of a file, as a multipart form."""

    file = UploadedFile(
        required=True,
        stream_factory=open_new_content,
        metadata={'type': 'string', 'format': 'binary'},
    )


class ContentFormData(TypedDict):
    """The values of a `ContentForm`."""

    file: FileStorage


@blueprint.put('/<uuid:file_id>/content')
@endpoint(
    allow=authenticated(WRITE), form=ContentForm, consumes='*/*', returns=StoredFileSchema,
    versioned=True, errors=[FileNotFound, FileChanged, FileTooLarge, QuotaExceeded],
    limit='600/minute', max_body_setting='FILES_MAX_SIZE',
)  # fmt: skip
def file_content_replace(file_id: UUID, form: ContentFormData | None) -> PutResult:
    """Replace the content of one of your files. The old content stays as a version.

    Send a multipart form with `file`, or the bytes themselves as the body. After the response 200,
    the content survives a power cut. `If-Match` and the `ETag` of the response are those of the
    content: the `ETag` of `GET /files/<file_id>/content`.
    """
    owner_id, expected = current_principal().user_id, version_precondition()
    if form is None:
        file = service.replace_content(
            owner_id, file_id, request.stream, length=request.content_length,
            declared_type=request.mimetype, expected=expected,
        )  # fmt: skip
    else:
        upload = form['file']
        file = service.replace_with_upload(
            owner_id, file_id, written_upload(upload), declared_type=upload.mimetype,
            expected=expected,
        )  # fmt: skip
    return PutResult(file, etag=file.sha256)


class VersionListQuery(ListQuery):
    """Query of the list of versions."""

    sort = sort_by('number')


@blueprint.get('/<uuid:file_id>/versions')
@endpoint(
    allow=authenticated(READ), query=VersionListQuery, returns=FileVersionSchema, many=True,
    errors=[FileNotFound, CursorInvalid],
)  # fmt: skip
def version_list(file_id: UUID, page: PageRequest) -> Page[VersionRow]:
    """List the versions of one of your files, newest first.

    The version with the highest `number` is the current content.
    """
    return service.list_versions(current_principal().user_id, file_id, page)


@blueprint.get('/<uuid:file_id>/versions/<int:number>/content')
@endpoint(
    operation_id='downloadVersion',
    allow=authenticated(READ), arguments=NUMBER_ARGUMENT,
    query=ContentQuery, security_headers=USER_CONTENT, produces='*/*',
    extra_response_headers=CONTENT_HEADERS,
    errors=[FileNotFound, *SCAN_ERRORS, RangeNotSatisfiable],
)  # fmt: skip
def version_content(file_id: UUID, number: int, query: ContentParameters) -> Response:
    """Download a version of one of your files, or a range of it."""
    name, version, stream = service.open_version(current_principal().user_id, file_id, number)
    return send(stream, name, version, inline=query['inline'])


@blueprint.post('/<uuid:file_id>/versions/<int:number>/restore')
@endpoint(
    allow=authenticated(WRITE), arguments=NUMBER_ARGUMENT,
    returns=StoredFileSchema, versioned=True, limit='600/minute',
    errors=[FileNotFound, FileChanged, QuotaExceeded], idempotent=True,
)  # fmt: skip
def version_restore(file_id: UUID, number: int) -> OwnedFileRow:
    """Restore a version: its content becomes a new version, and all others stay."""
    owner_id = current_principal().user_id
    return service.restore_version(owner_id, file_id, number, expected=version_precondition())


def send(stream: StoredObject, name: str, bytes_: Any, *, inline: bool = False) -> Response:
    """Return the response that sends an opened file or version under a file name.

    :param bytes_: the file or version, whose hash and type the response headers contain.
    :param inline: whether the client asked to display it; only `INLINE_SAFE_TYPES` are displayed.
    """
    return send_stored_object(
        stream, etag=bytes_.sha256, mimetype=bytes_.type, name=name, sha256=bytes_.sha256,
        inline=inline and bytes_.type in INLINE_SAFE_TYPES,
        offload=current_app.config['FILES_OFFLOAD'],
    )  # fmt: skip
