"""A way to a server that breaks in the middle of uploads, and knows how often it did."""

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

#: How a connection ends: as it should, at once, or so that only the client finds out.
WAYS = ('closed', 'reset', 'silent')


@dataclass
class Link:
    """One connection, from its client to the server."""

    near: socket.socket
    far: socket.socket
    is_cut: bool = False
    loses_answer: bool = False

    def cut(self, way: str) -> None:
        """Break it."""
        self.is_cut = True
        if way == 'closed':
            self.close()
            return
        reset(self.near)
        if way == 'reset':
            reset(self.far)

    def close(self) -> None:
        """End both halves as they should end."""
        for sock in (self.near, self.far):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


@dataclass
class Asked:
    """What a client asks for on one connection, as its bytes come by."""

    method: str = ''
    offset: int = 0
    length: int = 0
    left: int = 0
    _head: bytes = field(default=b'', repr=False)

    @property
    def is_piece(self) -> bool:
        """Whether a piece of an upload comes by."""
        return self.method == 'PATCH'

    def take(self, data: bytes) -> tuple[int, bool]:
        """Follow it; return how many bytes belong to pieces, and whether a request began."""
        pieces, has_begun = 0, False
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
            pieces += count if self.is_piece else 0
        return pieces, has_begun

    def _begin(self, head: str) -> None:
        self.method = head.partition(' ')[0]
        self.offset = number_in(head, 'upload-offset')
        self.length = self.left = number_in(head, 'content-length')


class Wire:
    """Lets through, and breaks after so many bytes of pieces, again and again.

    In the end, the answer to the last piece is lost.
    """

    def __init__(self, url: str, *, size: int, cuts: int) -> None:
        address = urlsplit(url)
        self.target = (address.hostname, address.port)
        self.size, self.wanted = size, cuts
        # A little earlier than they would just fit, so that the last one hits something, too.
        self.every = size // (cuts + 2)
        self.cuts: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.offsets: list[int] = []
        self.sent = self.answers_lost = 0
        self._passed, self._due = 0, self._next()
        self._ways = cycle(WAYS)
        self._refusing = 0
        self._links: list[Link] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.url = f'http://127.0.0.1:{self._listener.getsockname()[1]}'

    def __enter__(self) -> 'Wire':
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # Who waits in accept() keeps the socket alive; this wakes them.
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
            if self._refusing:
                self._refusing -= 1
                reset(near)
                continue
            link = Link(near, socket.create_connection(self.target))
            self._links.append(link)
            for pump in (self._up, self._down):
                threading.Thread(target=pump, args=(link,), daemon=True).start()

    def _up(self, link: Link) -> None:
        asked = Asked()
        with suppress(OSError):
            while data := link.near.recv(BLOCK):
                way = self._count(link, asked, data)
                link.far.sendall(data)
                if way:
                    link.cut(way)
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

    def _count(self, link: Link, asked: Asked, data: bytes) -> str:
        """Count what comes by; return how the link is to break after it, if it is to."""
        with self._lock:
            pieces, has_begun = asked.take(data)
            self.sent += pieces
            self._passed += pieces
            if has_begun:
                self.asked[asked.method] += 1
            if has_begun and asked.is_piece:
                self.offsets.append(asked.offset)
            if not asked.is_piece:
                return ''
            if not asked.left and asked.offset + asked.length == self.size:
                link.loses_answer = not self.answers_lost
            return self._way() if asked.left and pieces else ''

    def _way(self) -> str:
        if self.cuts.total() == self.wanted or self._passed < self._due:
            return ''
        way = next(self._ways)
        self.cuts[way] += 1
        self._passed, self._due = 0, self._next()
        # Now and then who comes back finds nobody there.
        self._refusing = self.cuts.total() % 4 == 0
        return way


def number_in(head: str, name: str) -> int:
    """Return a number that a head of a request says, or nought."""
    found = re.search(rf'^{name}: *(\d+)', head, re.IGNORECASE | re.MULTILINE)
    return int(found[1]) if found else 0


def reset(sock: socket.socket) -> None:
    """End half a connection without a farewell."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    # Who waits for its bytes keeps it alive; this wakes them, and says nothing to the other end.
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RD)
    sock.close()
