"""Ranges of bytes (RFC 9110): which are asked for, and how they are cut out of a file.

Werkzeug's own answers 416 to several ranges and to unknown units, 206 to HEAD, and loses sendfile.
Here a range is cut by seeking, so that the server still hands the file to the kernel.
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

# Of more than so many at once the whole is sent.
MAX_RANGES = 16

# The first byte, and the one behind the last.
Range: TypeAlias = tuple[int, int]

# The last no bytes.
EMPTY_SUFFIX_PATTERN = re.compile(r'\s*bytes\s*=\s*-0+\s*', re.IGNORECASE)


class RangeReader:
    """A file that ends after so many bytes."""

    def __init__(self, file: StoredObject, start: int, length: int) -> None:
        file.seek(start)
        self.file = file
        self.stop = start + length
        self.left = length
        self.fileno = file.fileno
        self.close = file.close

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, none behind the end of the window."""
        data = self.file.read(self.left if size < 0 else min(size, self.left))
        self.left -= len(data)
        return data

    def seek(self, position: int) -> int:
        """Go to a byte, counted from the beginning of the file, as the position of `fileno` is.

        `socket.sendfile` does so when its client has left.
        """
        self.left = max(0, self.stop - position)
        return self.file.seek(position)


class MultipartByteranges:
    """Several ranges of one file, each with its own head (`multipart/byteranges`, RFC 9110)."""

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
        """Return how many bytes they come to, heads included."""
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


def requested_ranges(size: int, etag: str) -> list[Range]:
    """Return the ranges that were asked for, or none where the whole is to be sent.

    Refuses with RangeNotSatisfiable where all of them lie behind the end.
    """
    wanted = _wanted()
    if request.method != 'GET' or wanted is None:
        return []
    if wanted.units != 'bytes' or len(wanted.ranges) > MAX_RANGES:
        return []
    # A weak tag, or a date, is no proof that the client's half belongs to these bytes.
    if request.headers.get('If-Range', f'"{etag}"') != f'"{etag}"':
        return []
    # More than there is of a suffix is all there is; Werkzeug takes it for unsatisfiable.
    starts = [
        (start if start >= 0 else max(0, size + start), stop) for start, stop in wanted.ranges
    ]
    found = [(start, min(stop or size, size)) for start, stop in starts if start < size]
    if not found:
        raise RangeNotSatisfiable(size)
    return found


def drop_unsupported_ranges() -> None:
    """Drop a `Range` that Werkzeug would answer wrongly, before `send_file` sees it.

    It says 416 to several ranges and to unknown units, where the RFC ignores them, and to a suffix
    longer than the content, where the whole is meant; and 206 to HEAD. A suffix of no bytes it does
    not understand, so that is said in another way.
    """
    wanted = _wanted()
    if (
        wanted is None
        or wanted.units != 'bytes'
        or len(wanted.ranges) != 1
        or wanted.ranges[0][0] < 0
        or request.method != 'GET'
    ):
        request.environ.pop('HTTP_RANGE', None)
    else:
        request.environ['HTTP_RANGE'] = wanted.to_header()


def _wanted() -> datastructures.Range | None:
    # Nothing satisfies that (RFC 9110), as nothing does what lies behind everything. Werkzeug takes
    # it for nonsense.
    asked = request.headers.get('Range', '')
    if EMPTY_SUFFIX_PATTERN.fullmatch(asked):
        return datastructures.Range('bytes', [(2**63 - 1, None)])
    return parse_range_header(asked)
