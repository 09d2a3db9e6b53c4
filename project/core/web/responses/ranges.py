"""Byte ranges (RFC 9110): parsing of the `Range` header, and reading of ranges from a file.

Werkzeug's support for ranges is not used. It returns 416 for several ranges and for unknown units,
and 206 for HEAD, and cannot use sendfile. Here, a range is read with `seek`, so that the server can
use sendfile.
"""

import re
from collections.abc import Iterator, Sequence
from typing import TypeAlias
from uuid import uuid4

from flask import request
from werkzeug import datastructures
from werkzeug.http import parse_range_header

from project.core.errors import RangeNotSatisfiable
from project.core.storage import StoredObject

READ_CHUNK_BYTES = 64 * 1024

# If a request has more ranges than this, the whole content is sent.
MAX_RANGES = 16

# A range: the position of its first byte, and the position after its last byte.
Range: TypeAlias = tuple[int, int]

# Ranges that all servers read alike. nginx returns 416 for some numbers of 19 and more
# digits (more than 64 bits), and the whole content if there are spaces around the equals sign.
SIMPLE_RANGE_PATTERN = re.compile(
    r'bytes=(?:(?:[0-9]{1,18}-(?:[0-9]{1,18})?|-[0-9]{1,18})(?:, ?|$))+', re.IGNORECASE | re.ASCII
)

# `bytes=-0`, the last zero bytes. No content can satisfy this range.
EMPTY_SUFFIX_PATTERN = re.compile(r'\s*bytes\s*=\s*-0+\s*', re.IGNORECASE)


class RangeReader:
    """One range of a file, which can be read like a file.

    :param start: the position of the first byte.
    :param length: in bytes.
    """

    def __init__(self, file: StoredObject, start: int, length: int) -> None:
        file.seek(start)
        self.file = file
        self.stop = start + length
        self.left = length
        self.fileno = file.fileno
        self.close = file.close

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; empty at the end of the range."""
        data = self.file.read(self.left if size < 0 else min(size, self.left))
        self.left -= len(data)
        return data

    def seek(self, position: int) -> int:
        """Set the position, counted from the beginning of the whole file.

        `socket.sendfile` calls this with the position of the file descriptor if the client has
        disconnected.
        """
        self.left = max(0, self.stop - position)
        return self.file.seek(position)


class MultipartByteranges:
    """Several ranges of a file as `multipart/byteranges` (RFC 9110)."""

    def __init__(
        self, file: StoredObject, ranges: Sequence[Range], size: int, mimetype: str
    ) -> None:
        self.boundary = uuid4().hex
        self._file = file
        self._ranges = ranges
        self._heads = [self._head(start, stop, size, mimetype) for start, stop in ranges]
        self._end = f'\r\n--{self.boundary}--\r\n'.encode()
        self.close = file.close

    def __len__(self) -> int:
        """Return the size in bytes, including the headers of the parts."""
        content = sum(stop - start for start, stop in self._ranges)
        return content + sum(map(len, self._heads)) + len(self._end)

    def __iter__(self) -> Iterator[bytes]:
        for head, (start, stop) in zip(self._heads, self._ranges, strict=True):
            yield head
            window = RangeReader(self._file, start, stop - start)
            while block := window.read(READ_CHUNK_BYTES):
                yield block
        yield self._end

    def _head(self, start: int, stop: int, size: int, mimetype: str) -> bytes:
        return (
            f'\r\n--{self.boundary}\r\nContent-Type: {mimetype}\r\n'
            f'Content-Range: bytes {start}-{stop - 1}/{size}\r\n\r\n'
        ).encode()


def requested_ranges(size: int) -> list[Range]:
    """Return the requested ranges, or an empty list if the whole content must be sent.

    The caller evaluates `If-Range` before.

    :param size: the size of the content in bytes.
    :raises RangeNotSatisfiable: if all ranges are beyond the end of the content.
    """
    wanted = _wanted()
    if request.method != 'GET' or wanted is None:
        return []
    if wanted.units != 'bytes' or len(wanted.ranges) > MAX_RANGES:
        return []
    # The last n bytes (`bytes=-n`) mean the whole content if it is shorter; Werkzeug returns 416
    # for that.
    starts = [
        (start if start >= 0 else max(0, size + start), stop) for start, stop in wanted.ranges
    ]
    found = [(start, min(stop or size, size)) for start, stop in starts if start < size]
    if not found:
        raise RangeNotSatisfiable(size)
    return found


def has_simple_range() -> bool:
    """Return whether another server would read the header `Range` as this service does."""
    return SIMPLE_RANGE_PATTERN.fullmatch(request.headers.get('Range', '')) is not None


def _wanted() -> datastructures.Range | None:
    # No content can satisfy `bytes=-0` (RFC 9110), but Werkzeug treats it as malformed. So replace
    # it by a range that is beyond the end of any content.
    asked = request.headers.get('Range', '')
    if EMPTY_SUFFIX_PATTERN.fullmatch(asked):
        return datastructures.Range('bytes', [(2**63 - 1, None)])
    return parse_range_header(asked)
