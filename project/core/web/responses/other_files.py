"""Responses with bytes that are not stored objects: files of a folder, and bytes in memory."""

import mimetypes
import os
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from flask import Response

from project.core.clock import now
from project.core.errors import NotFound
from project.core.storage.filesystem import is_file
from project.core.storage.local import LocalFile

from .file_responses import DISPOSITION_HEADERS, send_stored_object
from .headers import Header

# Those of `send_local_file`.
LOCAL_FILE_HEADERS = {
    **DISPOSITION_HEADERS,
    'Last-Modified': Header('When the content was modified, as an HTTP date.'),
}


def send_local_file(path: Path, *, inline: bool = False) -> Response:
    """Return a response with a file that is not a stored object, under its own name.

    Its ETag consists of the modification time in nanoseconds and the size, as in web servers.

    :param inline: whether a browser may show the file instead of downloading it.
    :raises NotFound: if the path is not a file.
    :raises ApiError: as `send_stored_object` does.
    """
    if not is_file(path):
        raise NotFound
    try:
        file = LocalFile(path, path.name)
    except FileNotFoundError:  # It was deleted in the meantime.
        raise NotFound from None
    state = os.fstat(file.fileno())
    modified = datetime.fromtimestamp(state.st_mtime, UTC)
    return send_stored_object(
        file,
        etag=f'{state.st_mtime_ns:x}-{state.st_size:x}',
        mimetype=mimetypes.guess_type(path.name)[0] or 'application/octet-stream',
        name=path.name,
        inline=inline,
        # A time in the future must not be sent (RFC 9110 §8.8.2.1).
        last_modified=modified if modified <= now() else None,
    )


def send_bytes(content: bytes, *, mimetype: str, name: str) -> Response:
    """Return a response with bytes that were just made. See `send_stored_object`."""
    digest = sha256(content).hexdigest()
    return send_stored_object(
        _BytesObject(content), etag=digest, mimetype=mimetype, name=name, sha256=digest
    )


class _BytesObject(BytesIO):
    """Bytes in memory, with the interface of a stored object."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.key, self.size = '', len(content)
