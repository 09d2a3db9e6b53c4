"""Reader of bodies with `Transfer-Encoding: chunked`. It returns each block when it arrives."""

import io
from collections.abc import Iterator
from typing import Any


class ChunkedBodyReader(io.RawIOBase):
    """The decoded blocks of gunicorn's parser; each can be read as soon as it arrives.

    gunicorn's own `read(n)` returns only after `n` bytes have arrived. If the connection breaks, it
    loses the bytes that arrived before.
    """

    def __init__(self, blocks: Iterator[bytes]) -> None:
        """Create a reader.

        :param blocks: gunicorn's parser of a body of which nothing has been read.
        """
        self._blocks = blocks
        # Whether the last chunk is still missing.
        self.missing = True
        self._block = b''
        self._error: Exception | None = None

    def readable(self) -> bool:
        """Return True: `io.BufferedReader` requires it."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a part of the buffer; return 0 after the last chunk.

        :raises NoMoreData: if the connection broke. Each further call raises it again, so that
            gunicorn does not mistake the following bytes for a new request.
        :raises ParseException: if the chunks are malformed. Each further call raises it again.
        """
        block = self._block or self._next_block()
        count = min(len(buffer), len(block))
        buffer[:count] = block[:count]
        self._block = block[count:]
        return count

    def _next_block(self) -> bytes:
        if self._error:
            raise self._error
        try:
            # The parser yields an empty block if the data of a chunk has not arrived yet.
            block = next((bytes(block) for block in self._blocks if block), b'')
            self.missing = bool(block)
            return block
        except Exception as error:
            self._error = error
            raise
