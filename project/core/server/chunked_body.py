"""The body of a request with `Transfer-Encoding: chunked`, block by block as it arrives."""

import io
from typing import Any

from gunicorn.http.body import ChunkedReader


class ChunkedBodyReader(io.RawIOBase):
    """The decoded blocks of gunicorn's parser, each as soon as it has arrived.

    gunicorn's own `read(n)` returns only when `n` bytes are there, and loses the bytes before the
    point at which a connection breaks.
    """

    def __init__(self, reader: ChunkedReader) -> None:
        """Begin with the first chunk of a body that has not been read."""
        self._blocks = reader.parser
        # Whether the last chunk has not been read.
        self.missing = True
        self._held = b''
        self._error: Exception | None = None

    def readable(self) -> bool:
        """Return True: `io.BufferedReader` requires it."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a part of the buffer; return 0 after the last chunk.

        :raises NoMoreData: if the connection broke; again at each further call, so that gunicorn
            does not take the bytes that follow for a new request.
        :raises ParseException: if the chunks are malformed; again at each further call.
        """
        held = self._held or self._next_block()
        count = min(len(buffer), len(held))
        buffer[:count] = held[:count]
        self._held = held[count:]
        return count

    def _next_block(self) -> bytes:
        if self._error:
            raise self._error
        try:
            # The parser yields an empty block where a chunk's data has yet to arrive.
            block = next((bytes(block) for block in self._blocks if block), b'')
            self.missing = bool(block)
            return block
        except Exception as error:
            self._error = error
            raise
