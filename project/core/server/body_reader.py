"""How the body of a request leaves the socket: in large blocks, once, and whole or not at all."""

import io
import socket
import struct
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from gunicorn.http.body import Body, LengthReader
from gunicorn.http.errors import NoMoreData
from gunicorn.http.unreader import SocketUnreader

from project.core.errors import RequestTimeout


class Unreader(SocketUnreader):  # type: ignore[misc]
    """gunicorn's buffer in front of a socket, to which a client long silent is a client gone."""

    #: When the body that is being read must be complete, by `time.monotonic()`; None for any time.
    deadline: float | None = None
    #: Called before `RequestTimeout` is raised.
    on_timeout: Callable[[], None] | None = None

    def start_timeout(self, seconds: float, on_timeout: Callable[[], None]) -> None:
        """Limit the time for the rest of the body."""
        self.deadline, self.on_timeout = time.monotonic() + seconds, on_timeout

    def receive(self, read: Callable[[], Any], nothing: Any) -> Any:
        """Read from the socket; return `nothing` if the client was silent for too long.

        With a deadline, silence is not limited apart from it.

        :raises RequestTimeout: if the deadline has passed.
        """
        while True:
            self._limit_wait()
            try:
                return read()
            except BlockingIOError:
                if self.deadline is None:
                    return nothing

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Return the next piece, or nothing if the client was silent for too long."""
        return bytes(self.receive(partial(super().chunk, size_hint), b''))

    def _limit_wait(self) -> None:
        """Let the next read end at the deadline."""
        if self.deadline is None:
            return
        seconds = self.deadline - time.monotonic()
        if seconds <= 0:
            if self.on_timeout:
                self.on_timeout()
            raise RequestTimeout
        set_receive_timeout(self.sock, seconds)


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


def use_direct_body_reader(body: Any, unreader: Any) -> Any:
    """Return a faster body of the same length, or the same body if it is of any other kind."""
    if type(body) is not Body or type(body.reader) is not LengthReader or not body.reader.length:
        return body
    return io.BufferedReader(ContentLengthReader(unreader, body.reader.length))
