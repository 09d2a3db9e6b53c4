"""A TCP proxy that breaks connections in the middle of uploads, and counts the breaks."""

import random
import re
import socket
import struct
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from urllib.parse import urlsplit

BLOCK = 64 * 1024

# How the proxy ends a connection: closes it properly, resets it, or resets it towards the client
# only.
ENDINGS = ('closed', 'reset', 'silent')


@dataclass
class Link:
    """A connection from a client through the proxy to the server."""

    near: socket.socket
    far: socket.socket
    is_cut: bool = False
    loses_answer: bool = False

    def cut(self, ending: str) -> None:
        """Break the connection in one of the ways of `ENDINGS`."""
        self.is_cut = True
        if ending == 'closed':
            self.close()
            return
        reset(self.near)
        if ending == 'reset':
            reset(self.far)

    def close(self) -> None:
        """Close both sockets properly."""
        for sock in (self.near, self.far):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


@dataclass
class RequestParser:
    """Parser of the HTTP requests on one connection."""

    method: str = ''
    offset: int = 0
    length: int = 0
    left: int = 0
    _head: bytes = field(default=b'', repr=False)

    @property
    def is_chunk(self) -> bool:
        """Whether the body of the current request is a chunk of a resumable upload."""
        return self.method == 'PATCH'

    def take(self, data: bytes) -> tuple[int, bool]:
        """Parse received data.

        :returns: the number of bytes that belong to upload chunks, and whether a new request began
            in this data.
        """
        chunk_bytes, has_begun = 0, False
        while data:
            if not self.left:
                head, end, data = (self._head + data).partition(b'\r\n\r\n')
                self._head = b'' if end else head
                if end:
                    has_begun = True
                    self._begin(head.decode('latin-1'))
            count = min(self.left, len(data))
            self.left -= count
            data = data[count:]
            chunk_bytes += count if self.is_chunk else 0
        return chunk_bytes, has_begun

    def _begin(self, head: str) -> None:
        self.method = head.partition(' ')[0]
        self.offset = number_in(head, 'upload-offset')
        self.length = self.left = number_in(head, 'content-length')


class BreakingProxy:
    """A proxy that breaks connections repeatedly, each time after a random number of bytes.

    Only the bytes of upload chunks count. The proxy also drops the response to the last chunk.

    :param cuts: the number of breaks.
    """

    def __init__(self, url: str, *, size: int, cuts: int) -> None:
        address = urlsplit(url)
        self.target = (address.hostname, address.port)
        self.size, self.max_cuts = size, cuts
        # With a larger divisor than the number of cuts, the last cut is before the end of the
        # upload.
        self.every = size // (cuts + 2)
        self.cuts: Counter[str] = Counter()
        self.methods: Counter[str] = Counter()
        self.offsets: list[int] = []
        self.sent = self.answers_lost = 0
        self._passed, self._due = 0, self._next()
        self._endings = cycle(ENDINGS)
        self._rejecting = 0
        self._links: list[Link] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.url = f'http://127.0.0.1:{self._listener.getsockname()[1]}'

    def __enter__(self) -> 'BreakingProxy':
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # `close` does not end the thread that waits in `accept`; `shutdown` wakes it.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for link in self._links:
            link.close()

    def _next(self) -> int:
        return int(self.every * random.uniform(0.5, 1))

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._rejecting:
                self._rejecting -= 1
                reset(near)
                continue
            link = Link(near, socket.create_connection(self.target))
            self._links.append(link)
            for pump in (self._up, self._down):
                threading.Thread(target=pump, args=(link,), daemon=True).start()

    def _up(self, link: Link) -> None:
        request = RequestParser()
        with suppress(OSError):
            while data := link.near.recv(BLOCK):
                ending = self._count(link, request, data)
                link.far.sendall(data)
                if ending:
                    link.cut(ending)
                    return
        if not link.is_cut:
            link.close()

    def _down(self, link: Link) -> None:
        with suppress(OSError):
            while data := link.far.recv(BLOCK):
                if link.loses_answer:
                    self.answers_lost += 1
                    link.cut('reset')
                    return
                link.near.sendall(data)
        if not link.is_cut:
            link.close()

    def _count(self, link: Link, request: RequestParser, data: bytes) -> str:
        """Count bytes and requests; return how to break the connection, or an empty text."""
        with self._lock:
            chunk_bytes, has_begun = request.take(data)
            self.sent += chunk_bytes
            self._passed += chunk_bytes
            if has_begun:
                self.methods[request.method] += 1
            if has_begun and request.is_chunk:
                self.offsets.append(request.offset)
            if not request.is_chunk:
                return ''
            if not request.left and request.offset + request.length == self.size:
                link.loses_answer = not self.answers_lost
            return self._next_ending() if request.left and chunk_bytes else ''

    def _next_ending(self) -> str:
        if self.cuts.total() == self.max_cuts or self._passed < self._due:
            return ''
        ending = next(self._endings)
        self.cuts[ending] += 1
        self._passed, self._due = 0, self._next()
        # After every fourth cut, the proxy rejects the next connection.
        self._rejecting = self.cuts.total() % 4 == 0
        return ending


def number_in(head: str, name: str) -> int:
    """Return the number in this header of a request, or 0 without the header."""
    found = re.search(rf'^{name}: *(\d+)', head, re.IGNORECASE | re.MULTILINE)
    return int(found[1]) if found else 0


def reset(sock: socket.socket) -> None:
    """Reset one of the two sockets of a connection."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    # The thread in `recv` keeps the socket open. This wakes the thread, and sends nothing to the
    # other side.
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RD)
    sock.close()
