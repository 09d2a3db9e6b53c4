"""Reading the body of a request from the socket: in large blocks, and within time limits.

A body that ends early, or that exceeds a time limit, is an error and not a shorter body.
"""

import io
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any, NoReturn

from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.errors import NoMoreData
from gunicorn.http.unreader import SocketUnreader

from project.core.errors import RequestTimeout

from .chunked_body import ChunkedBodyReader


@dataclass(slots=True)
class BodyRate:
    """The rate at which a body arrives, while the service waits for it.

    Only the waiting is measured: a service that reads slowly does not make its clients slow.

    :param min_rate: bytes a second that must arrive in each window (`BODY_MIN_RATE`).
    :param window: seconds of waiting after which the rate is judged.
    :param deadline: when the body must be complete at the latest, by `time.monotonic()`.
    """

    min_rate: int
    window: float
    deadline: float = inf
    waited: float = 0.0
    received: int = 0

    @property
    def seconds_left(self) -> float:
        """How long the next read may wait."""
        return min(self.window - self.waited, self.deadline - time.monotonic())

    def is_too_slow(self, count: int, seconds: float) -> bool:
        """Add a read; return whether the body exceeds one of its limits.

        :param count: bytes that the read returned.
        :param seconds: how long it waited for them.
        """
        self.received += count
        self.waited += seconds
        if self.waited >= self.window:
            if self.received < self.min_rate * self.waited:
                return True
            self.waited, self.received = 0.0, 0
        return time.monotonic() >= self.deadline


class Unreader(SocketUnreader):  # type: ignore[misc]
    """gunicorn's buffer in front of a socket, with the time limits of the body behind it."""

    #: When the body that is being read must be complete, by `time.monotonic()`; None for any time.
    deadline: float | None = None
    #: The rate of the body that is being read; None for any rate.
    rate: BodyRate | None = None
    #: Called before `RequestTimeout` is raised.
    on_timeout: Callable[[], None] | None = None
    #: Seconds after which a read of the socket fails without a byte (SO_RCVTIMEO).
    receive_timeout: float = inf

    def start_timeout(self, seconds: float, on_timeout: Callable[[], None]) -> None:
        """Limit the time for the rest of the body."""
        self.deadline, self.on_timeout = time.monotonic() + seconds, on_timeout

    def receive(self, read: Callable[[], Any], nothing: Any) -> Any:
        """Read from the socket; return `nothing` if the client is silent and there is no limit.

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
        """Read the next request without the time limits of this one."""
        self.deadline = self.rate = self.on_timeout = None

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Return the next piece, or nothing if the client was silent for too long."""
        return bytes(self.receive(partial(super().chunk, size_hint), b''))

    def _limit_wait(self) -> None:
        """Let the next read end when the first of the limits is reached."""
        seconds = self.rate.seconds_left if self.rate else inf
        if self.deadline is not None:
            seconds = min(seconds, self.deadline - time.monotonic())
        if seconds <= 0:
            self._time_out()
        # Not at every read: the system call would cost a tenth of it.
        if seconds < inf and not 0.9 <= seconds / self.receive_timeout <= 1.1:
            self.receive_timeout = seconds
            set_receive_timeout(self.sock, seconds)

    def _time_out(self) -> NoReturn:
        if self.on_timeout:
            self.on_timeout()
        raise RequestTimeout


class ContentLengthReader(io.RawIOBase):
    """As many bytes as `Content-Length` promised, straight into the memory of who reads them.

    gunicorn reads such a body ahead and copies it four times on its way to the application; it
    also calls a body whole whose client left halfway, which the application cannot tell from a
    short upload. Here that is an error.
    """

    def __init__(self, unreader: Any, length: int) -> None:
        """Begin with what the parser has read beyond the head, and end after `length` bytes."""
        self.unreader = unreader
        self.missing = length

    def readable(self) -> bool:
        """Say so: a buffered reader asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill some of the buffer, or none after the last byte; raise if the client has gone."""
        wanted = min(len(buffer), self.missing)
        if not wanted:
            return 0
        count = self._held(buffer, wanted) or self._received(buffer, wanted)
        if not count:
            raise NoMoreData()
        self.missing -= count
        return count

    def _held(self, buffer: Any, wanted: int) -> int:
        held = self.unreader.take_buffered()
        count = min(wanted, len(held))
        buffer[:count] = held[:count]
        # What is left may be the next request already.
        self.unreader.unread(held[count:])
        return count

    def _received(self, buffer: Any, wanted: int) -> int:
        sock = self.unreader.sock
        return int(self.unreader.receive(partial(sock.recv_into, buffer, wanted), 0))


def set_receive_timeout(sock: Any, seconds: float) -> None:
    """Let a blocking read of a socket fail after this time without a byte."""
    whole, fraction = divmod(seconds, 1)
    timeout = struct.pack('ll', int(whole), max(1, int(fraction * 1_000_000)))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)


def is_body_unread(body: Any) -> bool:
    """Return whether a part of a request's body has not been read, and may never arrive."""
    return isinstance(body, io.BufferedReader) and bool(body.raw.missing)


def use_direct_body_reader(body: Any, unreader: Any) -> Any:
    """Return a body of the same bytes whose `read1` returns what has arrived.

    A body of known length is also faster than gunicorn's. Any other kind is returned as it is.
    """
    if type(body) is not Body:
        return body
    if type(body.reader) is ChunkedReader:
        return io.BufferedReader(ChunkedBodyReader(body.reader))
    if type(body.reader) is not LengthReader or not body.reader.length:
        return body
    return io.BufferedReader(ContentLengthReader(unreader, body.reader.length))
