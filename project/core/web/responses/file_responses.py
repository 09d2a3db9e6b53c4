"""Bytes that are sent, whole or by ranges, with strong validators (RFC 9110): by this service, or
by who does it better, once it has said that they may be.
"""

import unicodedata
from base64 import b64encode
from collections.abc import Sequence
from urllib.parse import quote

from flask import Response, request
from werkzeug.wsgi import FileWrapper

from project.core.errors import RangeNotSatisfiable
from project.core.storage import StoredObject, storage
from project.core.web.responses.headers import Header

from .ranges import READ_CHUNK_BYTES, MultipartByteranges, Range, RangeReader, requested_ranges

# Who sends: this service, nginx from the folder that it sees, or the S3 server.
NONE, X_ACCEL, REDIRECT = 'none', 'x-accel', 'redirect'

# What bytes with a name are answered with, and those whose hash is known.
DISPOSITION_HEADERS = {
    'Content-Disposition': Header('What it is called, and whether it may be shown in place.')
}
CONTENT_HEADERS = {
    **DISPOSITION_HEADERS,
    'Repr-Digest': Header('What all of it hashes to, by `sha-256` (RFC 9530).'),
}

# Where `deploy/nginx.conf` sends from: all of a file whatever was asked for, or the ranges of it.
PROXY_WHOLE_PREFIX, PROXY_RANGES_PREFIX = '/_storage/whole/', '/_storage/ranges/'

# What others would judge by a date or a tag of their own: bytes that are older, as those of a
# version that somebody went back to, are no less new. Here they say nothing.
UNSUPPORTED_PRECONDITIONS = ('If-Match', 'If-Modified-Since', 'If-Unmodified-Since')


def send_stored_object(
    file: StoredObject,
    *,
    etag: str,
    mimetype: str,
    name: str | None = None,
    sha256: str | None = None,
    inline: bool = False,
    offload: str = NONE,
) -> Response:
    """Answer with an open file, or the ranges of it that were asked for; refuses with 416.

    Units that are not bytes are ignored, and so are so many ranges, or such small ones, that the
    whole costs no more. The file is closed with the response.

    :param name: what a browser shall call it (RFC 6266, RFC 8187); it is then an attachment, or
        shown in place.
    :param sha256: what all of it hashes to (RFC 9530).
    :param offload: who may send it instead, if the storage lets them: `X_ACCEL`, `REDIRECT`.
    """
    response = Response(mimetype=mimetype, direct_passthrough=True)
    response.set_etag(etag)
    response.headers['Accept-Ranges'] = 'bytes'
    if name is not None:
        response.headers['Content-Disposition'] = disposition_of(name, inline=inline)
    if sha256 is not None:
        digest = b64encode(bytes.fromhex(sha256)).decode()
        response.headers['Repr-Digest'] = f'sha-256=:{digest}:'
    # Compared weakly (RFC 9110): a proxy that compresses makes our tag a weak one.
    if request.if_none_match.contains_weak(etag):
        file.close()
        response.status_code = 304
        return response
    try:
        wanted = requested_ranges(file.size, etag)
    except RangeNotSatisfiable:
        file.close()
        raise
    if len(wanted) > 1 and len(_pieces(response, file, wanted)) >= file.size:
        wanted = []
    if offload != NONE and _offload(response, file, offload, is_whole=not wanted):
        return response
    return _sent(response, file, wanted)


def disposition_of(name: str, *, inline: bool = False) -> str:
    """Return a `Content-Disposition` that says any name in one line (RFC 6266, RFC 8187)."""
    plain = unicodedata.normalize('NFKD', name).encode('ascii', 'ignore').decode()
    fallback = ''.join(c if c.isalnum() or c in ' ._-()' else '_' for c in plain) or 'file'
    disposition = f'{"inline" if inline else "attachment"}; filename="{fallback}"'
    if fallback != name:
        disposition += f"; filename*=UTF-8''{quote(name, safe='')}"
    return disposition


def _sent(response: Response, file: StoredObject, wanted: Sequence[Range]) -> Response:
    size = file.size
    if wanted:
        response.status_code = 206
    if len(wanted) > 1:
        pieces = _pieces(response, file, wanted)
        response.headers['Content-Type'] = f'multipart/byteranges; boundary={pieces.boundary}'
        response.content_length = len(pieces)
        response.response = pieces
        return response
    start, stop = wanted[0] if wanted else (0, size)
    if wanted:
        response.headers['Content-Range'] = f'bytes {start}-{stop - 1}/{size}'
    response.content_length = stop - start
    wrap = request.environ.get('wsgi.file_wrapper', FileWrapper)
    response.response = wrap(RangeReader(file, start, stop - start), READ_CHUNK_BYTES)
    return response


def _pieces(response: Response, file: StoredObject, wanted: Sequence[Range]) -> MultipartByteranges:
    return MultipartByteranges(file, wanted, file.size, str(response.content_type))


def _offload(response: Response, file: StoredObject, to: str, *, is_whole: bool) -> bool:
    """Let somebody else send what may be sent, if they can and would do what was asked for."""
    if request.method != 'GET' or any(
        name in request.headers for name in UNSUPPORTED_PRECONDITIONS
    ):
        return False
    hand = {X_ACCEL: _to_proxy, REDIRECT: _to_storage}[to]
    if not hand(response, file, is_whole):
        return False
    file.close()
    return True


def _to_proxy(response: Response, file: StoredObject, is_whole: bool) -> bool:
    path = storage().path_for_proxy(file.key)
    if path is None:
        return False
    response.headers['X-Accel-Redirect'] = (
        PROXY_WHOLE_PREFIX if is_whole else PROXY_RANGES_PREFIX
    ) + path
    return True


def _to_storage(response: Response, file: StoredObject, is_whole: bool) -> bool:
    if is_whole and 'Range' in request.headers:
        # Asked for with the same headers, the server there would send a part.
        return False
    headers = response.headers
    address = storage().presigned_url(
        file.key,
        mimetype=str(response.content_type),
        disposition=headers.get('Content-Disposition', 'attachment'),
    )
    if address is None:
        return False
    response.status_code, response.location = 302, address
    # Whoever has the address needs no login: for a minute, and for nobody else.
    headers['Cache-Control'] = 'no-store'
    for name in ('ETag', 'Accept-Ranges', 'Content-Disposition', 'Repr-Digest'):
        headers.pop(name, None)
    return True
