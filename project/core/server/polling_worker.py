"""Connections that wait in the poller, without a thread: for a request, or for their client to go.

gunicorn gives every connection a thread, in which it waits: a few clients that send half a request
stop the service.
"""

import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from fcntl import ioctl
from functools import partial
from http import HTTPStatus
from itertools import chain
from selectors import EVENT_READ
from termios import TIOCOUTQ
from typing import Any
from uuid import uuid4

from gunicorn.workers import gthread
from gunicorn.workers.gthread import TConn

from .body_reader import Unreader, set_receive_timeout
from .parser_error_responses import error_response
from .request_state import RequestState, body_bytes, expects_continue, request_state
from .stopping_worker import StoppingWorker

READ_CHUNK_BYTES = 64 * 1024
CONTINUE = b'HTTP/1.1 100 Continue\r\n\r\n'


class PollingWorker(StoppingWorker):
    """A worker that collects requests before a thread is taken, and closes connections likewise."""

    #: Seconds that the poller waits for a head, or for the client to close the connection.
    read_timeout_seconds: float = 10.0
    #: Seconds without progress after which a response is cut: its client reads no more.
    stall_timeout_seconds: float = 180.0
    #: Seconds for a whole body, however steadily its bytes arrive (`BODY_TIMEOUT`). It holds for
    #: small bodies, which the poller collects, and for all that the application reads as JSON.
    body_timeout_seconds: float = 30.0
    #: Bytes a second of all other bodies (`BODY_MIN_RATE`), measured over the window.
    body_min_rate: int = 1000
    rate_window_seconds: float = 30.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin without connections."""
        super().__init__(*args, **kwargs)
        # Each is in the order of timeouts. gunicorn closes connections of the first one silently.
        self.partial = {
            RequestState.PARTIAL_HEAD: self.pending_conns,
            RequestState.PARTIAL_BODY: deque[TConn](),
            RequestState.PARTIAL_STREAM: deque[TConn](),
        }

    def enqueue_req(self, conn: TConn) -> None:
        """Run the next request of a connection once it has arrived; until then, take no thread."""
        if not conn.initialized:
            self._prepare(conn)
        conn.sock.setblocking(False)
        self._proceed(conn, *self._classify(conn))

    def run_request(self, conn: TConn, state: RequestState, held: bytes) -> None:
        """Run a request that has arrived, or a stream that has begun to arrive.

        :param held: the bytes of the request that have arrived, its head included.
        """
        super().enqueue_req(conn)

    def murder_pending(self) -> None:
        """Close connections whose head is late; end the wait for bodies that are late."""
        super().murder_pending()
        for conn in self._pop_late(RequestState.PARTIAL_BODY):
            # A worker that stops waits for a shorter time: then it is not the client's fault.
            late = HTTPStatus.REQUEST_TIMEOUT if self.alive else HTTPStatus.SERVICE_UNAVAILABLE
            self.reject(conn, late, 'The body of a request was late')
        for conn in self._pop_late(RequestState.PARTIAL_STREAM):
            if self.alive:
                self._run_late_stream(conn)
            else:
                self.reject(conn, HTTPStatus.SERVICE_UNAVAILABLE, 'Stopped while a body arrived')

    def reject(self, conn: TConn, status: HTTPStatus, reason: str) -> None:
        """Answer a request that does not run, and close its connection."""
        request_id = uuid4().hex
        self.log.warning('%s, request id %s', reason, request_id)
        with suppress(OSError):
            conn.sock.sendall(error_response(status, request_id))
        self.lingering_close(conn)

    def lingering_close(self, conn: TConn) -> None:
        """Announce that nothing follows, and close once the client has: its answer is not cut.

        gunicorn waits for that inside its loop, where one client that stays stops all others.
        """
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(conn)
        else:
            self._wait(conn, RequestState.PARTIAL_HEAD, self._drain)

    def _cap_keepalive(self, deadline: float) -> None:
        super()._cap_keepalive(deadline)
        for conn in chain(*self.partial.values()):
            conn.timeout = min(conn.timeout, deadline)

    def _prepare(self, conn: TConn) -> None:
        conn.init()
        conn.parser.unreader = Unreader(conn.sock)
        conn.has_continued = conn.is_late = False
        # A Unix socket knows no TCP, and not every kernel knows this option.
        with suppress(OSError, AttributeError):
            set_receive_timeout(conn.sock, self.rate_window_seconds)
            conn.parser.unreader.receive_timeout = self.rate_window_seconds
            conn.sock.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self.stall_timeout_seconds * 1000)
            )

    def _classify(self, conn: TConn) -> tuple[RequestState, bytes]:
        """Receive what has arrived; return how much of a request it is, and its bytes."""
        unreader = conn.parser.unreader
        held = unreader.take_buffered()
        state = request_state(held)
        if state in self.partial and (fresh := receive(conn.sock)) is not None:
            before, held = state, held + fresh
            state = request_state(held) if fresh else RequestState.GONE
            # An upload keeps what has arrived before its client left.
            if state is RequestState.GONE and before is RequestState.PARTIAL_STREAM:
                state = RequestState.STREAM
        unreader.unread(held)
        return state, held

    def _proceed(self, conn: TConn, state: RequestState, held: bytes) -> None:
        if state in self.partial:
            if state is not RequestState.PARTIAL_HEAD and expects_continue(held):
                self._send_continue(conn)
            self._wait(conn, state, partial(self._classify_again, state))
        elif state is RequestState.GONE:
            self._drop(conn)
        elif state is RequestState.LONG_HEAD:
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            self.reject(conn, status, 'The head of a request was too long')
        else:
            self.run_request(conn, state, held)

    def _classify_again(self, before: RequestState, conn: TConn, _sock: Any) -> None:
        state, held = self._classify(conn)
        if state is not before:
            self._stop_waiting(conn, before)
            self._proceed(conn, state, held)

    def _send_continue(self, conn: TConn) -> None:
        if not conn.has_continued:
            conn.has_continued = True
            with suppress(OSError):
                conn.sock.sendall(CONTINUE)

    def _run_late_stream(self, conn: TConn) -> None:
        """Run a stream of which too little has arrived: its reader gets 408 after these bytes."""
        held = conn.parser.unreader.take_buffered()
        conn.parser.unreader.unread(held)
        conn.is_late = body_bytes(held) < self.body_min_rate * self.rate_window_seconds
        self.run_request(conn, RequestState.STREAM, held)

    def _pop_late(self, state: RequestState) -> Iterator[TConn]:
        waiting, moment = self.partial[state], time.monotonic()
        while waiting and waiting[0].timeout <= moment:
            conn = waiting[0]
            self._stop_waiting(conn, state)
            yield conn

    def _drain(self, conn: TConn, sock: Any) -> None:
        if receive(sock) == b'':
            self._stop_waiting(conn, RequestState.PARTIAL_HEAD)
            self._drop(conn)

    def _wait(self, conn: TConn, state: RequestState, then: Callable[[TConn, Any], None]) -> None:
        """Let the poller watch a connection, for as long as this state may last."""
        seconds = {
            RequestState.PARTIAL_HEAD: self.read_timeout_seconds,
            RequestState.PARTIAL_BODY: self.body_timeout_seconds,
            RequestState.PARTIAL_STREAM: self.rate_window_seconds,
        }[state]
        seconds = seconds if self.alive else gthread.STOP_KEEPALIVE_LINGER
        conn.timeout = time.monotonic() + seconds
        self.partial[state].append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(then, conn))

    def _stop_waiting(self, conn: TConn, state: RequestState) -> None:
        self.poller.unregister(conn.sock)
        self.partial[state].remove(conn)

    def _drop(self, conn: TConn) -> None:
        self.nr_conns -= 1
        conn.close()


def receive(sock: Any) -> bytes | None:
    """Return what has arrived, b'' if nothing more will, or None if it may yet."""
    try:
        return bytes(sock.recv(READ_CHUNK_BYTES))
    except BlockingIOError:
        return None
    except OSError:
        return b''


def unread_bytes(sock: Any) -> int:
    """Return how many bytes that were sent the client has not acknowledged, 0 if unknown."""
    try:
        return int.from_bytes(ioctl(sock, TIOCOUTQ, bytes(4)), sys.byteorder)
    except OSError:
        return 0
