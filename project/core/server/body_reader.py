"""Readers of request bodies, which read the socket in large blocks and within time limits.

If a body ends early or exceeds a time limit, reading it raises an error, so that an incomplete body
is never mistaken for a complete one.
"""

import io
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any, NoReturn, TypeVar

from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.errors import NoMoreData
from gunicorn.http.unreader import SocketUnreader

from project.core.errors import RequestTimeout

from .chunked_body import ChunkedBodyReader

# The result of a read of a socket: bytes, or their number if the read fills a buffer.
Received = TypeVar('Received', bytes, int)


@dataclass(slots=True)
class BodyRate:
    """The rate at which the bytes of a body arrive.

    Only the time in which the service waits for bytes counts, not the time in which it processes
    them.

    :param min_rate: bytes a second that must arrive, on average (`BODY_MIN_RATE`).
    :param window: seconds of waiting after which the rate is checked and measured anew.
    :param deadline: the latest end of the body, as a value of `time.monotonic()`.
    """

    min_rate: int
    window: float
    deadline: float = inf
    waited: float = 0.0
    received: int = 0

    @property
    def seconds_left(self) -> float:
        """Seconds that the next read may wait."""
        return min(self.window - self.waited, self.deadline - time.monotonic())

    def is_too_slow(self, count: int, seconds: float) -> bool:
        """Record a read; return whether the body arrives too slowly or has exceeded its deadline.

        :param count: bytes that the read returned.
        :param seconds: time that the read waited for them.
        """
        self.received += count
        self.waited += seconds
        if self.waited >= self.window:
            if self.received < self.min_rate * self.waited:
                return True
            self.waited, self.received = 0.0, 0
        return time.monotonic() >= self.deadline


class Unreader(SocketUnreader):  # type: ignore[misc]
    """gunicorn's buffer of bytes read from a socket, with the time limits of the current body."""

    #: The latest end of the current body, as a value of `time.monotonic()`; None: no limit.
    deadline: float | None = None
    #: The rate of the current body; None: no limit.
    rate: BodyRate | None = None
    #: The callback that runs before `RequestTimeout` is raised.
    on_timeout: Callable[[], None] | None = None
    #: Seconds without a byte after which a read of the socket fails (SO_RCVTIMEO).
    receive_timeout: float = inf

    def start_timeout(self, seconds: float, on_timeout: Callable[[], None]) -> None:
        """Set the time limit in seconds for the rest of the body."""
        self.deadline, self.on_timeout = time.monotonic() + seconds, on_timeout

    def receive(self, read: Callable[[], Received | None], nothing: Received) -> Received:
        """Read from the socket within the limits of the current body.

        :param read: a function that reads once; raises `BlockingIOError` after the receive timeout.
        :param nothing: the result if a read times out and the body has no limit.
        :raises RequestTimeout: if the deadline has passed, or the body arrives too slowly.
        """
        while True:
            self._limit_wait()
            began = time.monotonic()
            try:
                data = read()
            except BlockingIOError:
                if self.deadline is None and self.rate is None:
                    return nothing
                data = None
            if self.rate:
                count = data if isinstance(data, int) else len(data or b'')
                if self.rate.is_too_slow(count, time.monotonic() - began):
                    self._time_out()
            if data is not None:
                return data

    def reset_limits(self) -> None:
        """Remove the time limits of the current body."""
        self.deadline = self.rate = self.on_timeout = None

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Return the next bytes; b'' at the end of the data or after the receive timeout."""
        # `size_hint` is new in gunicorn 27. pyright contains the type stubs of gunicorn 26.
        read = partial(super().chunk, size_hint)  # pyright: ignore[reportCallIssue]
        return bytes(self.receive(read, b''))

    def _limit_wait(self) -> None:
        """Set the receive timeout so that the next read ends at the nearest limit."""
        seconds = self.rate.seconds_left if self.rate else inf
        if self.deadline is not None:
            seconds = min(seconds, self.deadline - time.monotonic())
        if seconds <= 0:
            self._time_out()
        # Do not call this before every read, but only if the limit has changed by more than 10 %:
        # the system call takes a tenth of the time of a read.
        if seconds < inf and not 0.9 <= seconds / self.receive_timeout <= 1.1:
            self.receive_timeout = seconds
            set_receive_timeout(self.sock, seconds)

    def _time_out(self) -> NoReturn:
        if self.on_timeout:
            self.on_timeout()
        raise RequestTimeout


class ContentLengthReader(io.RawIOBase):
    """A body with a `Content-Length`, read directly into the buffer of the caller.

    gunicorn's own reader copies such a body four times. If the client disconnects early, it ends
    the body without an error, so that the application takes an incomplete upload for a complete
    one. This reader raises an error.
    """

    def __init__(self, unreader: Any, length: int) -> None:
        """Create a reader.

        :param unreader: gunicorn's read buffer, which may already contain the first bytes of the
            body.
        :param length: the number of bytes of the body.
        """
        self.unreader = unreader
        self.missing = length

    def readable(self) -> bool:
        """Return True: `io.BufferedReader` requires it."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a part of the buffer; return 0 after the last byte.

        :raises NoMoreData: if the client disconnected before the last byte.
        """
        wanted = min(len(buffer), self.missing)
        if not wanted:
            return 0
        count = self._read_buffered(buffer, wanted) or self._read_socket(buffer, wanted)
        if not count:
            raise NoMoreData()
        self.missing -= count
        return count

    def _read_buffered(self, buffer: Any, wanted: int) -> int:
        received = self.unreader.take_buffered()
        count = min(wanted, len(received))
        buffer[:count] = received[:count]
        # These bytes are behind the end of the body, and may belong to the next request.
        self.unreader.unread(received[count:])
        return count

    def _read_socket(self, buffer: Any, wanted: int) -> int:
        sock = self.unreader.sock
        return int(self.unreader.receive(partial(sock.recv_into, buffer, wanted), 0))


def set_receive_timeout(sock: Any, seconds: float) -> None:
    """Set SO_RCVTIMEO: a blocking read fails after this time without a byte."""
    whole, fraction = divmod(seconds, 1)
    timeout = struct.pack('ll', int(whole), max(1, int(fraction * 1_000_000)))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)


def is_body_unread(body: Any) -> bool:
    """Return whether the application has not read the whole body.

    The rest of it may never arrive.
    """
    return isinstance(body, io.BufferedReader) and bool(body.raw.missing)


def use_direct_body_reader(body: Any, unreader: Any) -> object:
    """Return a reader of the body whose `read1` returns the bytes that have arrived.

    For a body with a `Content-Length`, this reader is also faster than gunicorn's. If the body is
    empty or of an unknown kind, `body` is returned unchanged.
    """
    if type(body) is not Body:
        return body
    if type(body.reader) is ChunkedReader and body.reader.parser:
        return io.BufferedReader(ChunkedBodyReader(body.reader.parser))
    if type(body.reader) is not LengthReader or not body.reader.length:
        return body
    return io.BufferedReader(ContentLengthReader(unreader, body.reader.length))


def close_if_unread(request: Any, response: Any) -> Any:
    """Return a `start_response` that closes the connection if the body was not read completely.

    The rest of the body may never arrive; to wait for it would occupy a thread.
    """

    def start(*args: Any) -> Any:
        if is_body_unread(request.body):
            response.force_close()
        return response.start_response(*args)

    return start
