"""A stream of the request body, which returns bytes as soon as they have arrived."""

from typing import Any

from flask import request
from werkzeug.exceptions import ClientDisconnected


class BodyStream:
    """The part of the current request's body that was not read yet.

    `request.stream` waits until a block of the requested size has arrived. If the connection
    breaks, it loses the part of the block that has arrived. This class loses no byte.
    """

    def __init__(self) -> None:
        """Start at the first unread byte.

        :raises RequestEntityTooLarge: if `Content-Length` exceeds the limit of the endpoint.
        """
        # `request.stream` checks the limit. If the length is unknown and the server does not mark
        # the end of the body, it is an empty stream.
        checked = request.stream
        source: Any = request.environ['wsgi.input']
        has_end = 'wsgi.input_terminated' in request.environ
        self._missing = None if has_end else request.content_length
        self._source = source if has_end or self._missing is not None else checked
        self._read: Any = getattr(self._source, 'read1', self._source.read)

    def read1(self, size: int) -> bytes:
        """Return at most `size` bytes, as soon as there are any; b'' at the end.

        :raises ClientDisconnected: if the connection breaks before the end.
        """
        wanted = size if self._missing is None else min(size, self._missing)
        if not wanted:
            return b''
        try:
            block = bytes(self._read(wanted))
        except (OSError, ValueError) as error:
            raise ClientDisconnected from error
        if self._missing is not None:
            if not block:
                raise ClientDisconnected
            self._missing -= len(block)
        return block
