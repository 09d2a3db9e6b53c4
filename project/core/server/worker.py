"""How the service meets the network: gunicorn's threads, made patient, and answering in JSend.

gunicorn gives every connection a thread and lets it wait there, so a handful of clients who send
half a request stop everybody. Here only what has arrived gets a thread. What leans on gunicorn's
own methods is proven over raw sockets in `tests/core/server/test_worker.py`: look there first after
an upgrade. Plain HTTP/1.1 only: TLS and HTTP/2 end at the proxy.
"""

import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from errno import ECONNRESET
from functools import partial
from http import HTTPStatus
from itertools import chain
from queue import SimpleQueue
from selectors import EVENT_READ
from typing import Any
from uuid import uuid4

from gunicorn.workers import gthread
from gunicorn.workers.gthread import TConn, ThreadWorker

from project.core.server.body_reader import (
    Unreader,
    set_receive_timeout,
    use_direct_body_reader,
)
from project.core.server.concurrency_limits import COSTLY_REQUEST_PATTERN, ConcurrencyLimiter
from project.core.server.parser_error_responses import ResponseRecorder, error_response
from project.core.server.request_state import RequestState, request_state
from project.core.web.requests.parsing import START_BODY_TIMEOUT

READ_CHUNK_BYTES = 64 * 1024


class ApiWorker(ThreadWorker):  # type: ignore[misc]
    """Threads for requests that have arrived, a poller for those that have not."""

    #: Seconds that the poller waits for a head, or for the client to close the connection.
    read_timeout_seconds: float = 10.0
    #: Seconds of silence in the middle of a stream, either way, after which its client is gone.
    stall_timeout_seconds: float = 30.0
    #: Seconds for a whole body, however steadily its bytes arrive (`BODY_TIMEOUT`). It holds for
    #: small bodies, which the poller collects, and for all that the application reads as JSON.
    body_timeout_seconds: float = 30.0
    #: Which requests are costly: a quarter of the threads is for them.
    costly = COSTLY_REQUEST_PATTERN
    #: Seconds that a costly request waits for one of these threads.
    queue_timeout_seconds: float = 2.0
    #: Whether this one works the outbox off, and answers nobody (`pre_fork` decides).
    serves_tasks: bool = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin without connections."""
        super().__init__(*args, **kwargs)
        self.limiters = {
            RequestState.STREAM: ConcurrencyLimiter(),
            RequestState.COSTLY: ConcurrencyLimiter(self.queue_timeout_seconds),
        }
        self.pending_signals: SimpleQueue[int] = SimpleQueue()
        # Each is in the order of timeouts. gunicorn closes connections of the first one silently.
        self.partial = {
            RequestState.PARTIAL_HEAD: self.pending_conns,
            RequestState.PARTIAL_BODY: deque[TConn](),
        }
        # The request that each thread handles.
        self.current = threading.local()

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Refuse what would need bytes decrypted before they can be looked at."""
        super().check_config(cfg, log)
        if cfg.is_ssl:
            raise SystemExit('Refusing to start: ApiWorker speaks plain HTTP; end TLS at a proxy.')

    def init_signals(self) -> None:
        """Take signals; one that came while they were still taken as the parent takes them, too.

        gunicorn forgets it, and would wait for this worker until its patience ends.
        """
        super().init_signals()
        while not self.pending_signals.empty():
            if self.pending_signals.get() in (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT):
                self.alive = False

    def load_wsgi(self) -> None:
        """Load the application, and offer it the time limit of a body."""
        super().load_wsgi()
        application = self.wsgi

        def with_body_timeout(environ: dict[str, Any], start_response: Any) -> Any:
            environ[START_BODY_TIMEOUT] = partial(self._start_body_timeout, self.current.request)
            return application(environ, start_response)

        self.wsgi: Any = with_body_timeout

    def run(self) -> None:
        """Answer requests, or serve tasks."""
        if not self.serves_tasks:
            super().run()
            return
        # What this process and its children held open would keep the port from the next service.
        for listener in self.sockets:
            listener.close()
        self.app.wsgi().extensions['run_task_workers'](self._goes_on)

    def _goes_on(self) -> bool:
        """Say that this worker lives, and whether it is to go on."""
        self.notify()
        return bool(self.alive and self.is_parent_alive())

    def enqueue_req(self, conn: TConn) -> None:
        """Run the next request of a connection once it is here; until then, keep no thread."""
        if not conn.initialized:
            self._prepare(conn)
        conn.sock.setblocking(False)
        self._run(conn, self._classify(conn))

    def handle_request(self, req: Any, conn: TConn) -> bool:
        """Answer a request; a body of known length is read in large blocks."""
        req.body = use_direct_body_reader(req.body, req.unreader)
        self.current.request = req
        try:
            return bool(super().handle_request(req, conn))
        except TimeoutError as silence:
            # A client who stopped reading is no fault of ours, and no traceback in our log.
            raise ConnectionResetError(ECONNRESET, 'silent for too long') from silence
        finally:
            if req.unreader.deadline is not None:
                req.unreader.deadline = None
                set_receive_timeout(conn.sock, self.stall_timeout_seconds)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Let gunicorn judge and log as ever, and say its verdict in JSend."""
        page = ResponseRecorder()
        super().handle_error(req, page, addr, exc)
        request_id = uuid4().hex
        self.log.warning('Answered that with status %d, request id %s', page.status, request_id)
        with suppress(OSError):
            client.settimeout(1)
            client.sendall(error_response(page.status, request_id))

    def finish_request(self, conn: TConn, future: Future[Any]) -> None:
        """Let the next of its limiter begin; keep the connection, or see its client off."""
        for limiter in self.limiters.values():
            for waiting, runs in limiter.release(conn):
                super().enqueue_req(waiting) if runs else self._reject(
                    waiting, HTTPStatus.SERVICE_UNAVAILABLE, 'Waited too long for its turn'
                )
        if future.cancelled() or future.exception() or future.result():
            super().finish_request(conn, future)
        else:
            self._lingering_close(conn)

    def murder_pending(self) -> None:
        """Close connections whose head is late, and reject requests whose body is late."""
        super().murder_pending()
        bodies, moment = self.partial[RequestState.PARTIAL_BODY], time.monotonic()
        while bodies and bodies[0].timeout <= moment:
            conn = bodies[0]
            self._stop_waiting(conn, RequestState.PARTIAL_BODY)
            # A worker that ends waits for a shorter time: then it is not the client's fault.
            late = HTTPStatus.REQUEST_TIMEOUT if self.alive else HTTPStatus.SERVICE_UNAVAILABLE
            self._reject(conn, late, 'The body of a request was late')

    def _cap_keepalive(self, deadline: float) -> None:
        super()._cap_keepalive(deadline)
        for conn in chain(*self.partial.values()):
            conn.timeout = min(conn.timeout, deadline)

    def _start_body_timeout(self, req: Any) -> None:
        req.unreader.start_timeout(self.body_timeout_seconds, on_timeout=req.force_close)

    def _prepare(self, conn: TConn) -> None:
        conn.init()
        conn.parser.unreader = Unreader(conn.sock)
        # A Unix socket knows no TCP, and not every kernel knows of impatience.
        with suppress(OSError, AttributeError):
            set_receive_timeout(conn.sock, self.stall_timeout_seconds)
            conn.sock.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self.stall_timeout_seconds * 1000)
            )

    def _classify(self, conn: TConn) -> RequestState:
        """Take what has come, and say how much of a request that makes."""
        unreader = conn.parser.unreader
        held = unreader.take_buffered()
        arrival = request_state(held)
        if arrival in self.partial and (fresh := receive(conn.sock)) is not None:
            held += fresh
            arrival = request_state(held) if fresh else RequestState.GONE
        unreader.unread(held)
        if arrival is RequestState.WHOLE and self.costly.match(held):
            return RequestState.COSTLY
        return arrival

    def _classify_again(self, before: RequestState, conn: TConn, _sock: Any) -> None:
        if (arrival := self._classify(conn)) is not before:
            self._stop_waiting(conn, before)
            self._run(conn, arrival)

    def _run(self, conn: TConn, arrival: RequestState) -> None:
        if arrival in self.partial:
            self._wait(conn, arrival, partial(self._classify_again, arrival))
        elif arrival is RequestState.GONE:
            self._drop(conn)
        elif arrival not in self.limiters or self.limiters[arrival].acquire(
            conn, self._max_running(arrival)
        ):
            super().enqueue_req(conn)

    def _max_running(self, arrival: RequestState) -> int:
        # Half of the threads at most for what may stall, and a quarter for what takes a core: the
        # others are for requests that do neither, so nobody keeps those from an answer.
        share = 2 if arrival is RequestState.STREAM else 4
        return max(1, int(self.cfg.threads) // share)

    def _reject(self, conn: TConn, status: HTTPStatus, reason: str) -> None:
        request_id = uuid4().hex
        self.log.warning('%s, request id %s', reason, request_id)
        with suppress(OSError):
            conn.sock.sendall(error_response(status, request_id))
        self._lingering_close(conn)

    def _lingering_close(self, conn: TConn) -> None:
        """Say that nothing more follows, and close once the client has, lest the answer be cut.

        gunicorn waits for that inside its loop, where one client who stays stops everybody.
        """
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(conn)
        else:
            self._wait(conn, RequestState.PARTIAL_HEAD, self._drain)

    def _drain(self, conn: TConn, sock: Any) -> None:
        if receive(sock) == b'':
            self._stop_waiting(conn, RequestState.PARTIAL_HEAD)
            self._drop(conn)

    def _wait(self, conn: TConn, state: RequestState, then: Callable[[TConn, Any], None]) -> None:
        """Let the poller watch a connection, for as long as this state may last."""
        is_body = state is RequestState.PARTIAL_BODY
        seconds = self.body_timeout_seconds if is_body else self.read_timeout_seconds
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
    """Return what has come, nothing (`b''`) if nothing more will, or None if it may yet."""
    try:
        return bytes(sock.recv(READ_CHUNK_BYTES))
    except BlockingIOError:
        return None
    except OSError:
        return b''
