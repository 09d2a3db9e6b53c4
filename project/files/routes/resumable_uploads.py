"""Routes of resumable uploads with the protocol tus 1.0.0.

They support the core protocol and the extensions creation, creation-with-upload, expiration,
checksum and termination. Successful responses have no body. Errors have the same form as in all
other routes.
"""

from email.utils import format_datetime
from uuid import UUID

from flask import Response, current_app, request, url_for
from flask.views import MethodView

from project.core.errors import BadRequest, UnprocessableContent
from project.core.web.endpoints.access import authenticated, current_principal, public
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.requests.body_stream import BodyStream
from project.core.web.responses.headers import API
from project.files import service, tus
from project.files.errors import (
    ChecksumMismatch,
    ChecksumUnknown,
    FileTooLarge,
    NameInvalid,
    NotAnUploadChunk,
    OffsetMismatch,
    QuotaExceeded,
    TusVersionUnknown,
    UploadLeaseLost,
    UploadLengthExceeded,
    UploadNotFound,
)
from project.files.permissions import WRITE

from . import blueprint
from .tus_headers import (
    CAPABILITIES,
    CHECKSUM,
    LENGTH,
    LOCATION,
    METADATA,
    OFFSET,
    OVERRIDE,
    PROGRESS,
    RESUMABLE,
    UNSUPPORTED,
)

TUS_HEADERS = (*API, ('Tus-Resumable', tus.VERSION))

# The rate limit is high enough for small chunks of several concurrent uploads. The quota limits the
# number of bytes.
CHUNK_RATE_LIMIT = '6000/minute'

CREATION_ERRORS = (TusVersionUnknown, FileTooLarge, QuotaExceeded, NameInvalid, ChecksumUnknown)
APPEND_ERRORS = (
    TusVersionUnknown, UploadNotFound, OffsetMismatch, UploadLeaseLost, UploadLengthExceeded,
    QuotaExceeded, ChecksumUnknown, ChecksumMismatch, NotAnUploadChunk,
)  # fmt: skip


class UploadsView(MethodView):
    """Routes `/files/uploads`: the resumable uploads of the user."""

    init_every_request = False
    provide_automatic_options = False

    @endpoint(
        allow=public, code=204, security_headers=TUS_HEADERS, extra_response_headers=CAPABILITIES,
        limit='600/minute',
    )  # fmt: skip
    def options(self) -> Response:
        """Show the supported version, extensions and limits of tus."""
        response = empty_response(204)
        response.headers['Tus-Version'] = tus.VERSION
        response.headers['Tus-Extension'] = ','.join(tus.EXTENSIONS)
        response.headers['Tus-Max-Size'] = str(current_app.config['FILES_MAX_SIZE'])
        response.headers['Tus-Checksum-Algorithm'] = ','.join(tus.ALGORITHMS)
        return response

    @endpoint(
        operation_id='createUpload',
        allow=authenticated(WRITE), code=201, security_headers=TUS_HEADERS, consumes='*/*',
        produces='',
        extra_request_headers={**RESUMABLE, **LENGTH, **METADATA, **CHECKSUM, **UNSUPPORTED},
        extra_response_headers={**LOCATION, **PROGRESS}, max_body_setting='FILES_MAX_SIZE',
        limit='600/minute',
        errors=[*CREATION_ERRORS, UploadLengthExceeded, ChecksumMismatch, UnprocessableContent],
    )  # fmt: skip
    def post(self) -> Response:
        """Create a resumable upload of `Upload-Length` bytes. `Location` is its URL.

        `Upload-Metadata` may contain a `filename`. The body may be the first chunk. The whole
        length is reserved in your quota. An upload expires a day after its last chunk.
        """
        require_known_protocol()
        length = integer_header('Upload-Length')
        tus_metadata = request.headers.get('Upload-Metadata', '')
        has_piece = request.mimetype == tus.CHUNK_CONTENT_TYPE
        if has_piece and (request.content_length or 0) > length:
            raise UploadLengthExceeded
        owner_id, name = current_principal().user_id, tus.read_name(tus_metadata)
        if has_piece or length == 0:
            upload_id, progress = service.create_with_chunk(
                owner_id, BodyStream(), length=length, name=name, tus_metadata=tus_metadata,
                chunk_length=request.content_length,
                checksum=checksum_header() if has_piece else None,
            )  # fmt: skip
            return progress_response(creation_response(upload_id), progress)
        upload = service.create_upload(
            owner_id, length=length, name=name, tus_metadata=tus_metadata
        )
        response = creation_response(upload.id)
        response.headers['Upload-Expires'] = format_datetime(upload.expires_at, usegmt=True)
        return response


class UploadView(MethodView):
    """Routes `/files/uploads/<upload_id>`: one resumable upload of the user."""

    init_every_request = False

    @endpoint(
        allow=authenticated(WRITE), security_headers=TUS_HEADERS, produces='',
        extra_request_headers=RESUMABLE, extra_response_headers={**PROGRESS, **LENGTH, **METADATA},
        errors=[TusVersionUnknown, UploadNotFound],
    )  # fmt: skip
    def head(self, upload_id: UUID) -> Response:
        """Show how many bytes of your upload are stored; 404 if its file is deleted."""
        require_known_protocol()
        return upload_response(upload_id)

    @endpoint(
        operation_id='appendChunk',
        allow=authenticated(WRITE), code=204, security_headers=TUS_HEADERS,
        consumes=tus.CHUNK_CONTENT_TYPE, extra_request_headers={**RESUMABLE, **OFFSET, **CHECKSUM},
        extra_response_headers=PROGRESS, max_body_setting='FILES_MAX_SIZE', limit=CHUNK_RATE_LIMIT,
        errors=APPEND_ERRORS,
    )  # fmt: skip
    def patch(self, upload_id: UUID) -> Response:
        """Append a chunk at `Upload-Offset` to your upload. The last chunk creates a file.

        `X-File-Id` is the id of that file. After the response 204, the bytes survive a power cut.
        If the connection breaks, the bytes that arrived are kept. A chunk with `Upload-Checksum` is
        kept whole or not at all.
        """
        require_known_protocol()
        return append_chunk(upload_id)

    @endpoint(
        allow=authenticated(WRITE), code=204, security_headers=TUS_HEADERS,
        extra_request_headers=RESUMABLE, errors=[TusVersionUnknown, UploadNotFound],
    )  # fmt: skip
    def delete(self, upload_id: UUID) -> Response:
        """Cancel one of your uploads. The file of a complete upload stays."""
        require_known_protocol()
        return terminate_upload(upload_id)

    @endpoint(
        operation_id='overrideUploadMethod',
        allow=authenticated(WRITE), code=204, security_headers=TUS_HEADERS, consumes='*/*',
        extra_request_headers={**RESUMABLE, **OVERRIDE},
        extra_response_headers={**PROGRESS, **LENGTH, **METADATA},
        max_body_setting='FILES_MAX_SIZE', limit=CHUNK_RATE_LIMIT,
        errors=[*APPEND_ERRORS, BadRequest],
    )  # fmt: skip
    def post(self, upload_id: UUID) -> Response:
        """Execute the method PATCH, HEAD or DELETE that `X-HTTP-Method-Override` names.

        For clients that can send only GET and POST.
        """
        require_known_protocol()
        meant = {'PATCH': append_chunk, 'HEAD': upload_response, 'DELETE': terminate_upload}
        method = request.headers.get('X-HTTP-Method-Override', '').upper()
        if method not in meant:
            raise BadRequest('X-HTTP-Method-Override must be PATCH, HEAD or DELETE')
        response = meant[method](upload_id)
        # All three methods then return 204: tus also allows it as the response to HEAD.
        response.status_code = 204
        return response


blueprint.add_url_rule('/uploads', view_func=UploadsView.as_view('uploads'))
blueprint.add_url_rule('/uploads/<uuid:upload_id>', view_func=UploadView.as_view('upload'))


def require_known_protocol() -> None:
    """Check the version of tus and the `Upload-*` headers of the request.

    Unknown `Upload-*` headers are rejected, because a header of an unsupported extension could
    change the meaning of the request.

    :raises TusVersionUnknown: if the client uses another version of tus.
    :raises BadRequest: if an `Upload-*` header is not one of `tus.REQUEST_HEADERS`.
    """
    if request.headers.get('Tus-Resumable') != tus.VERSION:
        raise TusVersionUnknown
    sent = {name.title() for name, _ in request.headers}
    unknown = {name for name in sent if name.startswith('Upload-')} - tus.REQUEST_HEADERS
    if unknown:
        raise BadRequest(f'Not supported: {", ".join(sorted(unknown))}')


def append_chunk(upload_id: UUID) -> Response:
    """Append the body of the request to an upload; return the response."""
    if request.mimetype != tus.CHUNK_CONTENT_TYPE:
        raise NotAnUploadChunk
    progress = service.append(
        current_principal().user_id, upload_id, BodyStream(),
        offset=integer_header('Upload-Offset'), length=request.content_length,
        checksum=checksum_header(),
    )  # fmt: skip
    return progress_response(empty_response(204), progress)


def upload_response(upload_id: UUID) -> Response:
    """Return the response that shows the offset and the metadata of an upload."""
    upload = service.get_upload(current_principal().user_id, upload_id)
    response = empty_response(200)
    response.headers['Upload-Length'] = str(upload.declared_size)
    if upload.tus_metadata:
        response.headers['Upload-Metadata'] = upload.tus_metadata
    return progress_response(
        response, service.Progress(upload.offset, upload.expires_at, upload.file_id)
    )


def terminate_upload(upload_id: UUID) -> Response:
    """Cancel an upload; return the response."""
    service.delete_upload(current_principal().user_id, upload_id)
    return empty_response(204)


def creation_response(upload_id: UUID) -> Response:
    """Return the response 201 with the URL of a new upload."""
    response = empty_response(201)
    response.location = url_for('.upload', upload_id=upload_id)
    return response


def empty_response(status: int) -> Response:
    """Return a response without a body."""
    response = Response(status=status)
    del response.headers['Content-Type']
    return response


def progress_response(response: Response, progress: service.Progress) -> Response:
    """Add the headers with the progress of an upload to a response."""
    response.headers['Upload-Offset'] = str(progress.offset)
    response.headers['Upload-Expires'] = format_datetime(progress.expires_at, usegmt=True)
    if progress.file_id:
        response.headers['X-File-Id'] = str(progress.file_id)
    return response


def integer_header(header: str) -> int:
    """Return the value of a request header as a number.

    :raises BadRequest: if it is missing or not a whole number.
    """
    return tus.read_number(header, request.headers.get(header, ''))


def checksum_header() -> tus.Checksum | None:
    """Return the checksum in the request headers, or None without such a header.

    :raises ChecksumUnknown: if it is malformed, or its algorithm is not supported.
    """
    return tus.read_checksum(request.headers.get('Upload-Checksum'))
