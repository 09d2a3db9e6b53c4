"""A worker whose idle connections wait in a poller (`selectors`), without a thread.

A connection waits there until a request has arrived, or until the client closes it. gunicorn's own
worker uses a thread for each waiting connection, so that a few clients that send half a request
block the service.
"""

import os
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
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

from .body_reader import Unreader, set_receive_timeout
from .connection import Connection
from .parser_error_responses import cors_headers, error_response
from .request_state import (
    RequestState,
    body_bytes,
    expects_continue,
    has_unknown_coding,
    request_state,
)
from .stopping_worker import StoppingWorker

READ_CHUNK_BYTES = 64 * 1024
CONTINUE = b'HTTP/1.1 100 Continue\r\n\r\n'


class PollingWorker(StoppingWorker):
    """A worker that receives requests, and closes connections, without a thread."""

    #: Seconds that the poller waits for a head, or for the client to close the connection.
    read_timeout_seconds: float = 10.0
    #: Seconds without progress after which a response is aborted, because its client does not read
    #: it.
    stall_timeout_seconds: float = 180.0
    #: Seconds in which a whole body must arrive (`BODY_TIMEOUT`). This limit applies to small
    #: bodies, which the poller receives, and to all bodies that the application reads as JSON.
    body_timeout_seconds: float = 30.0
    #: Minimum bytes a second of all other bodies (`BODY_MIN_RATE`), on average over
    #: `rate_window_seconds`.
    body_min_rate: int = 1000
    rate_window_seconds: float = 30.0
    #: The origins whose pages may read responses (`CORS_ORIGINS`).
    cors_origins: Collection[str] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Create a worker without connections."""
        super().__init__(*args, **kwargs)
        # The connections that wait for the rest of a request. Each queue is sorted by timeout.
        # gunicorn closes the connections of the first queue without a response.
        self.partial = {
            RequestState.PARTIAL_HEAD: self.pending_conns,
            RequestState.PARTIAL_BODY: deque[Connection](),
            RequestState.PARTIAL_STREAM: deque[Connection](),
        }

    def enqueue_req(self, conn: Connection) -> None:
        """Wait, without a thread, for the next request of a connection; then run the request."""
        if not conn.initialized:
            self._prepare(conn)
        conn.sock.setblocking(False)
        self._proceed(conn, *self._classify(conn))

    def run_request(self, conn: Connection, state: RequestState, received: bytes) -> None:
        """Run a request that has arrived completely, or whose body is read while it arrives.

        :param received: the bytes of the request that have arrived, with the whole head.
        """
        super().enqueue_req(conn)

    def handle_request(self, req: Any, conn: Connection) -> bool:
        """Handle a request in a thread. The response has at most version 1.1 (RFC 9110, 2.5)."""
        # gunicorn would repeat the version of the request, such as HTTP/1.2.
        req.version = min(req.version, (1, 1))
        if req.path == '*':
            # gunicorn would reject it, because it does not begin with the path of the service.
            req.path = f'{os.environ.get("SCRIPT_NAME", "")}*'
        return bool(super().handle_request(req, conn))

    def murder_pending(self) -> None:
        """Stop waiting for requests whose head or body has not arrived in time."""
        super().murder_pending()
        for conn in self._pop_late(RequestState.PARTIAL_BODY):
            # If the worker stops, it waits for a shorter time. So the client is not at fault, and
            # gets 503.
            late = HTTPStatus.REQUEST_TIMEOUT if self.alive else HTTPStatus.SERVICE_UNAVAILABLE
            self.reject(conn, late, 'The body of a request was late')
        for conn in self._pop_late(RequestState.PARTIAL_STREAM):
            if self.alive:
                self._run_late_stream(conn)
            else:
                self.reject(conn, HTTPStatus.SERVICE_UNAVAILABLE, 'Stopped while a body arrived')

    def reject(self, conn: Connection, status: HTTPStatus, reason: str) -> None:
        """Send an error response without running the request, and close the connection."""
        request_id = uuid4().hex
        self.log.warning('%s, request id %s', reason, request_id)
        with suppress(OSError):
            conn.sock.sendall(error_response(status, request_id, conn.cors_headers))
        self.lingering_close(conn)

    def lingering_close(self, conn: Connection) -> None:
        """Close the sending side of a socket; close the rest when the client has closed its side.

        An immediate close may reset the connection and cut off the response. gunicorn waits for the
        client inside its event loop, where one client that does not close blocks all others.
        """
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close_connection(conn)
        else:
            self._wait(conn, RequestState.PARTIAL_HEAD, self._drain)

    def is_too_large(self, received: bytes) -> bool:
        """Return whether the application will not read the body, because it is too large."""
        return False

    def _cap_keepalive(self, deadline: float) -> None:
        super()._cap_keepalive(deadline)
        for conn in chain(*self.partial.values()):
            conn.timeout = min(conn.timeout, deadline)

    def _prepare(self, conn: Connection) -> None:
        conn.init()
        conn.parser.unreader = Unreader(conn.sock)
        conn.has_continued = conn.is_late = False
        conn.cors_headers = {}
        # A Unix socket has no TCP options, and some kernels do not support this option.
        with suppress(OSError, AttributeError):
            set_receive_timeout(conn.sock, self.rate_window_seconds)
            conn.parser.unreader.receive_timeout = self.rate_window_seconds
            conn.sock.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self.stall_timeout_seconds * 1000)
            )

    def _classify(self, conn: Connection) -> tuple[RequestState, bytes]:
        """Receive the available bytes; return the state of the request, and all its bytes."""
        unreader = conn.parser.unreader
        received = unreader.take_buffered()
        state = request_state(received)
        if state in self.partial and (fresh := receive(conn.sock)) is not None:
            before, received = state, received + fresh
            state = request_state(received) if fresh else RequestState.GONE
            # An upload must store the bytes that arrived before its client disconnected, so it
            # runs.
            if state is RequestState.GONE and before is RequestState.PARTIAL_STREAM:
                state = RequestState.STREAM
        unreader.unread(received)
        return state, received

    def _proceed(self, conn: Connection, state: RequestState, received: bytes) -> None:
        if state is not RequestState.PARTIAL_HEAD:
            conn.cors_headers = cors_headers(received, self.cors_origins)
            if state in self.partial and self.is_too_large(received):
                # The application rejects it at once (RFC 9110, section 10.1.1).
                conn.has_continued, state = True, RequestState.STREAM
        if state in self.partial:
            if state is not RequestState.PARTIAL_HEAD and expects_continue(received):
                self._send_continue(conn)
            self._wait(conn, state, partial(self._classify_again, state))
        elif state is RequestState.GONE:
            self._close_connection(conn)
        elif state is RequestState.LONG_HEAD:
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            self.reject(conn, status, 'The head of a request was too long')
        elif state is RequestState.STREAM and has_unknown_coding(received):
            # RFC 9112, section 6.1. gunicorn accepts some codings, and does not decode them.
            self.reject(conn, HTTPStatus.NOT_IMPLEMENTED, 'A body has an unknown transfer coding')
        else:
            self.run_request(conn, state, received)

    def _classify_again(self, before: RequestState, conn: Connection, _sock: Any) -> None:
        state, received = self._classify(conn)
        if state is not before:
            self._stop_waiting(conn, before)
            self._proceed(conn, state, received)

    def _send_continue(self, conn: Connection) -> None:
        if not conn.has_continued:
            conn.has_continued = True
            with suppress(OSError):
                conn.sock.sendall(CONTINUE)

    def _run_late_stream(self, conn: Connection) -> None:
        """Run a request with a large body if the first part of the body has not arrived in time.

        If the bytes also arrive more slowly than the minimum rate, the application reads them, and
        then the request ends with 408.
        """
        received = conn.parser.unreader.take_buffered()
        conn.parser.unreader.unread(received)
        conn.is_late = body_bytes(received) < self.body_min_rate * self.rate_window_seconds
        self.run_request(conn, RequestState.STREAM, received)

    def _pop_late(self, state: RequestState) -> Iterator[Connection]:
        waiting, moment = self.partial[state], time.monotonic()
        while waiting and waiting[0].timeout <= moment:
            conn = waiting[0]
            self._stop_waiting(conn, state)
            yield conn

    def _drain(self, conn: Connection, sock: Any) -> None:
        if receive(sock) == b'':
            self._stop_waiting(conn, RequestState.PARTIAL_HEAD)
            self._close_connection(conn)

    def _wait(
        self, conn: Connection, state: RequestState, then: Callable[[Connection, Any], None]
    ) -> None:
        """Register a connection with the poller until bytes arrive; `state` decides the timeout."""
        seconds = {
            RequestState.PARTIAL_HEAD: self.read_timeout_seconds,
            RequestState.PARTIAL_BODY: self.body_timeout_seconds,
            RequestState.PARTIAL_STREAM: self.rate_window_seconds,
        }[state]
        if not self.alive:
            # New in gunicorn 27. pyright contains the type stubs of gunicorn 26.
            seconds = gthread.STOP_KEEPALIVE_LINGER  # pyright: ignore[reportAttributeAccessIssue]
        conn.timeout = time.monotonic() + seconds
        self.partial[state].append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(then, conn))

    def _stop_waiting(self, conn: Connection, state: RequestState) -> None:
        self.poller.unregister(conn.sock)
        self.partial[state].remove(conn)

    def _close_connection(self, conn: Connection) -> None:
        self.nr_conns -= 1
        conn.close()


def receive(sock: Any) -> bytes | None:
    """Return the bytes that have arrived at a socket, without waiting.

    :returns: None before the first byte; b'' if the connection has ended.
    """
    try:
        return bytes(sock.recv(READ_CHUNK_BYTES))
    except BlockingIOError:
        return None
    except OSError:
        return b''


def unread_bytes(sock: Any) -> int:
    """Return how many sent bytes the client has not acknowledged; 0 if unknown."""
    try:
        return int.from_bytes(ioctl(sock, TIOCOUTQ, bytes(4)), sys.byteorder)
    except OSError:
        return 0
