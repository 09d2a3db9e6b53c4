"""Uploads that may be resumed, over HTTP: tus 1.0.0 (core, creation, creation-with-upload,
expiration, checksum, termination). Its successes have no bodies; what refuses is as everywhere.
"""

from email.utils import format_datetime
from uuid import UUID

from flask import Response, current_app, request, url_for
from flask.views import MethodView

from project.core.errors import Invalid, Malformed
from project.core.web.endpoints.access import current, member, public
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.responses.headers import API
from project.files import service, tus
from project.files.errors import (
    ChecksumDiffers,
    ChecksumUnknown,
    FileTooLarge,
    NameInvalid,
    NoPiece,
    OffsetDiffers,
    PastTheEnd,
    QuotaExceeded,
    TakenOver,
    TusVersionUnknown,
    UploadNotFound,
)
from project.files.permissions import WRITE

from . import blueprint
from .tus_headers import (
    CHECKSUM,
    LENGTH,
    METADATA,
    OFFSET,
    OVERRIDE,
    PLACE,
    PROGRESS,
    RESUMABLE,
    SPOKEN,
)

TUS = (*API, ('Tus-Resumable', tus.VERSION))

CREATING = (TusVersionUnknown, FileTooLarge, QuotaExceeded, NameInvalid, ChecksumUnknown)
APPENDING = (
    TusVersionUnknown, UploadNotFound, OffsetDiffers, TakenOver, PastTheEnd, QuotaExceeded,
    ChecksumUnknown, ChecksumDiffers, NoPiece,
)  # fmt: skip


class UploadsView(MethodView):
    """The collection."""

    init_every_request = False
    provide_automatic_options = False

    @endpoint(allow=public, code=204, policy=TUS, tells=SPOKEN)
    def options(self) -> Response:
        """Say what is spoken here (tus 1.0.0)."""
        response = empty(204)
        response.headers['Tus-Version'] = tus.VERSION
        response.headers['Tus-Extension'] = ','.join(tus.EXTENSIONS)
        response.headers['Tus-Max-Size'] = str(current_app.config['FILES_MAX_SIZE'])
        response.headers['Tus-Checksum-Algorithm'] = ','.join(tus.ALGORITHMS)
        return response

    @endpoint(
        allow=member(WRITE), code=201, policy=TUS, consumes='*/*', produces='',
        asks={**RESUMABLE, **LENGTH, **METADATA, **CHECKSUM}, tells={**PLACE, **PROGRESS},
        largest='FILES_MAX_SIZE', limit='600/minute',
        refuses=[*CREATING, PastTheEnd, ChecksumDiffers, Invalid],
    )  # fmt: skip
    def post(self) -> Response:
        """Begin an upload of `Upload-Length` bytes; `Location` is where its pieces go.

        `Upload-Metadata` may name it (`filename`). A first piece may come with it. Room for all of
        it is reserved. It is given up a day after its last piece.
        """
        speak_tus()
        length = number_in('Upload-Length')
        described = request.headers.get('Upload-Metadata', '')
        has_piece = request.mimetype == tus.PIECE
        if has_piece and (request.content_length or 0) > length:
            raise PastTheEnd
        owner_id, name = current().user_id, tus.read_name(described)
        if has_piece or length == 0:
            upload_id, progress = service.create_with_piece(
                owner_id, request.stream, length=length, name=name, described=described,
                piece_length=request.content_length,
                checksum=checksum_in() if has_piece else None,
            )  # fmt: skip
            return told(begun(upload_id), progress)
        upload = service.create_upload(owner_id, length=length, name=name, described=described)
        response = begun(upload.id)
        response.headers['Upload-Expires'] = format_datetime(upload.expires_at, usegmt=True)
        return response


class UploadView(MethodView):
    """One of them."""

    init_every_request = False

    @endpoint(
        allow=member(WRITE), policy=TUS, produces='', asks=RESUMABLE,
        tells={**PROGRESS, **LENGTH, **METADATA}, refuses=[TusVersionUnknown, UploadNotFound],
    )  # fmt: skip
    def head(self, upload_id: UUID) -> Response:
        """Say how far one of your uploads has come: so much of it is on the disk."""
        speak_tus()
        return shown(upload_id)

    @endpoint(
        allow=member(WRITE), code=204, policy=TUS, consumes=tus.PIECE,
        asks={**RESUMABLE, **OFFSET, **CHECKSUM}, tells=PROGRESS,
        largest='FILES_MAX_SIZE', refuses=APPENDING,
    )  # fmt: skip
    def patch(self, upload_id: UUID) -> Response:
        """Go on with one of your uploads, at `Upload-Offset`; with its last byte it is a file.

        `X-File-Id` says which. What is answered with 204 survives a power cut; of what broke off,
        as much as came does. `Upload-Checksum` vouches for a piece: it is kept whole or not at all.
        """
        speak_tus()
        return go_on(upload_id)

    @endpoint(
        allow=member(WRITE), code=204, policy=TUS, asks=RESUMABLE,
        refuses=[TusVersionUnknown, UploadNotFound],
    )  # fmt: skip
    def delete(self, upload_id: UUID) -> Response:
        """Give one of your uploads up. The file of one that is done stays."""
        speak_tus()
        return given_up(upload_id)

    @endpoint(
        allow=member(WRITE), code=204, policy=TUS, consumes='*/*', asks={**RESUMABLE, **OVERRIDE},
        tells={**PROGRESS, **LENGTH, **METADATA}, largest='FILES_MAX_SIZE',
        refuses=[*APPENDING, Malformed],
    )  # fmt: skip
    def post(self, upload_id: UUID) -> Response:
        """Do what `X-HTTP-Method-Override` says: PATCH, HEAD or DELETE, for who cannot say so."""
        speak_tus()
        meant = {'PATCH': go_on, 'HEAD': shown, 'DELETE': given_up}
        method = request.headers.get('X-HTTP-Method-Override', '').upper()
        if method not in meant:
            raise Malformed('X-HTTP-Method-Override must be PATCH, HEAD or DELETE')
        response = meant[method](upload_id)
        # Whatever is meant: to a HEAD, too, tus allows it.
        response.status_code = 204
        return response


blueprint.add_url_rule('/uploads', view_func=UploadsView.as_view('uploads'))
blueprint.add_url_rule('/uploads/<uuid:upload_id>', view_func=UploadView.as_view('upload'))


def speak_tus() -> None:
    """Refuse with TusVersionUnknown who speaks another version, before anything is done."""
    if request.headers.get('Tus-Resumable') != tus.VERSION:
        raise TusVersionUnknown


def go_on(upload_id: UUID) -> Response:
    """Take in a piece."""
    if request.mimetype != tus.PIECE:
        raise NoPiece
    progress = service.append(
        current().user_id, upload_id, request.stream, offset=number_in('Upload-Offset'),
        length=request.content_length, checksum=checksum_in(),
    )  # fmt: skip
    return told(empty(204), progress)


def shown(upload_id: UUID) -> Response:
    """Answer with how far it has come."""
    upload = service.get_upload(current().user_id, upload_id)
    response = empty(200)
    response.headers['Upload-Length'] = str(upload.length)
    if upload.described:
        response.headers['Upload-Metadata'] = upload.described
    return told(response, service.Progress(upload.offset, upload.expires_at, upload.file_id))


def given_up(upload_id: UUID) -> Response:
    """Give it up."""
    service.delete_upload(current().user_id, upload_id)
    return empty(204)


def begun(upload_id: UUID) -> Response:
    """Answer with where the pieces go."""
    response = empty(201)
    response.location = url_for('.upload', upload_id=upload_id)
    return response


def empty(status: int) -> Response:
    """Return an answer that is nothing but its headers."""
    response = Response(status=status)
    del response.headers['Content-Type']
    return response


def told(response: Response, progress: service.Progress) -> Response:
    """Say how far an upload has come."""
    response.headers['Upload-Offset'] = str(progress.offset)
    response.headers['Upload-Expires'] = format_datetime(progress.expires_at, usegmt=True)
    if progress.file_id:
        response.headers['X-File-Id'] = str(progress.file_id)
    return response


def number_in(header: str) -> int:
    """Return a header that must be a number."""
    return tus.read_number(header, request.headers.get(header, ''))


def checksum_in() -> tus.Checksum | None:
    """Return the checksum of the piece that comes, if one was said."""
    return tus.read_checksum(request.headers.get('Upload-Checksum'))
