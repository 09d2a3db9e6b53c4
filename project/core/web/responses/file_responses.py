"""Responses with the content of stored objects, or ranges of it, with strong ETags (RFC 9110).

The service sends the bytes itself, or nginx or the S3 server sends them after the service has
authorized the request and decided about its preconditions.
"""

import unicodedata
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from flask import Response, request
from werkzeug.wsgi import FileWrapper

from project.core.errors import ApiError
from project.core.storage import StoredObject, storage
from project.core.web.responses.headers import Header

from .conditional_requests import Outcome, evaluate_preconditions, not_modified
from .ranges import (
    READ_CHUNK_BYTES,
    MultipartByteranges,
    Range,
    RangeReader,
    has_simple_range,
    requested_ranges,
)

# Which server sends the bytes: this service, nginx from the shared folder, or the S3 server.
NONE, X_ACCEL, REDIRECT = 'none', 'x-accel', 'redirect'

# Additional headers of responses that have a file name, and of those whose hash is known.
DISPOSITION_HEADERS = {
    'Content-Disposition': Header('The file name, and `inline` or `attachment`.')
}
CONTENT_HEADERS = {
    **DISPOSITION_HEADERS,
    'Repr-Digest': Header('The SHA-256 hash of the whole content (RFC 9530).'),
}

# Internal locations in `deploy/nginx.conf`. At the first one, nginx ignores `Range`; at the second
# one, it applies `Range`.
PROXY_WHOLE_PREFIX, PROXY_RANGES_PREFIX = '/_storage/whole/', '/_storage/ranges/'

# This service decides about all preconditions. But the other server reads the headers again, and
# compares them with its own ETag and date. So if a request has one of these headers, this service
# sends the bytes. `deploy/nginx.conf` makes nginx ignore `If-Modified-Since`.
PRECONDITIONS_OF_OTHER_SERVERS = {
    X_ACCEL: ('If-Match', 'If-Unmodified-Since'),
    REDIRECT: ('If-Match', 'If-Modified-Since', 'If-Unmodified-Since'),
}


def send_stored_object(
    file: StoredObject,
    *,
    etag: str,
    mimetype: str,
    name: str | None = None,
    sha256: str | None = None,
    inline: bool = False,
    offload: str = NONE,
    last_modified: datetime | None = None,
) -> Response:
    """Return a response with an object, or with the requested ranges of it; or 304.

    The whole content is sent if the unit of the ranges is not bytes, or if a multipart response
    with the ranges would not be shorter. The file is closed with the response.

    :param name: the file name for `Content-Disposition` (RFC 6266, RFC 8187).
    :param sha256: the hash of the whole content, in hexadecimal (RFC 9530).
    :param inline: whether a browser may show the file instead of downloading it.
    :param offload: `X_ACCEL` if nginx should send the bytes, `REDIRECT` if S3 should; used only if
        the storage supports it.
    :param last_modified: for `Last-Modified`, if the time is known and is not in the future.
    :raises PreconditionFailed: if `If-Match` or `If-Unmodified-Since` is false.
    :raises RangeNotSatisfiable: if no requested range is within the content.
    """
    try:
        outcome = evaluate_preconditions(etag, last_modified)
        wanted = requested_ranges(file.size) if outcome is Outcome.SEND else []
    except ApiError:
        file.close()
        raise
    response = Response(mimetype=mimetype, direct_passthrough=True)
    response.set_etag(etag)
    if last_modified is not None:
        response.last_modified = last_modified
    response.headers['Accept-Ranges'] = 'bytes'
    if name is not None:
        response.headers['Content-Disposition'] = disposition_of(name, inline=inline)
    if sha256 is not None:
        digest = b64encode(bytes.fromhex(sha256)).decode()
        response.headers['Repr-Digest'] = f'sha-256=:{digest}:'
    if outcome is Outcome.NOT_MODIFIED:
        file.close()
        return not_modified(response)
    if len(wanted) > 1 and len(_pieces(response, file, wanted)) >= file.size:
        wanted = []
    if offload != NONE and _offload(response, file, offload, is_whole=not wanted):
        return response
    return _sent(response, file, wanted)


def disposition_of(name: str, *, inline: bool = False) -> str:
    """Return the value of `Content-Disposition` for any file name (RFC 6266, RFC 8187)."""
    fallback = _ascii_name(name)
    disposition = f'{"inline" if inline else "attachment"}; filename="{fallback}"'
    if fallback != name:
        disposition += f"; filename*=UTF-8''{quote(name, safe='')}"
    return disposition


def _ascii_name(name: str) -> str:
    """Return a similar name of ASCII characters: `Cafe.txt` for `Café.txt`.

    A name without ASCII letters becomes `file`, and keeps its suffix: `file.pdf`.
    """
    letters = (c for c in unicodedata.normalize('NFKD', name) if not unicodedata.combining(c))
    plain = ''.join(c if c.isascii() and (c.isalnum() or c in ' ._-()') else '_' for c in letters)
    stem, dot, suffix = plain.rpartition('.')
    if name.isascii() or any(c.isalnum() for c in stem or suffix):
        return plain or 'file'
    return f'file{dot}{suffix}' if any(c.isalnum() for c in suffix) else 'file'


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
    """Make another server send the file, if its response has the same status and content.

    :param to: the other server: `X_ACCEL` (nginx) or `REDIRECT` (S3).
    :returns: whether the other server sends the file.
    """
    is_judged_again = any(name in request.headers for name in PRECONDITIONS_OF_OTHER_SERVERS[to])
    if request.method != 'GET' or is_judged_again or not (is_whole or has_simple_range()):
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
        # The client would send its `Range` header to S3, too, and S3 would send only a part.
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
    # The presigned URL is valid without a login for a minute, so caches must not store the
    # redirect.
    headers['Cache-Control'] = 'no-store'
    for name in ('ETag', 'Accept-Ranges', 'Content-Disposition', 'Repr-Digest'):
        headers.pop(name, None)
    return True
