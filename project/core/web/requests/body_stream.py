"""The body of a request as a stream that returns what has arrived, without waiting for more."""

from typing import Any

from flask import request
from werkzeug.exceptions import ClientDisconnected


class BodyStream:
    """The unread body of the current request.

    `request.stream` reads blocks of the requested size: the part of a block that arrived before a
    connection broke is lost.
    """

    def __init__(self) -> None:
        """Begin with the first byte.

        :raises RequestEntityTooLarge: if `Content-Length` exceeds the limit of the endpoint.
        """
        # This checks the limit, and replaces a stream of unknown length by an empty one if the
        # server does not end it.
        checked = request.stream
        source: Any = request.environ['wsgi.input']
        has_end = 'wsgi.input_terminated' in request.environ
        self._missing = None if has_end else request.content_length
        self._source = source if has_end or self._missing is not None else checked
        self._read: Any = getattr(self._source, 'read1', self._source.read)

    def read1(self, size: int) -> bytes:
        """Return at most `size` bytes: those that have arrived, or the next; none at the end.

        :raises ClientDisconnected: if the connection broke before the end.
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
