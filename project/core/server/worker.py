"""The gunicorn worker class: threads only for requests that have arrived, errors in JSend.

It overrides methods that are not part of gunicorn's public API. After an upgrade, run
`tests/core/server/test_worker.py`, which tests the behaviour over raw sockets. The worker supports
plain HTTP/1.1 only: a proxy terminates TLS and HTTP/2.
"""

import re
import threading
import time
from collections.abc import Hashable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from errno import ECONNRESET
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from project.core.web.endpoints.large_responses import CLAIM_RESPONSE
from project.core.web.requests.parsing import CLAIM_BODY, START_BODY_TIMEOUT

from .body_limits import BodyLimits
from .body_reader import BodyRate, close_if_unread, use_direct_body_reader
from .client_keys import AddressKey, address_key, credential_key
from .concurrency_limits import ClientLimiter, ConcurrencyLimiter
from .connection import Connection
from .parser_error_responses import ResponseRecorder, error_response
from .password_requests import PasswordRequests
from .polling_worker import PollingWorker, unread_bytes
from .request_metrics import measure_worker
from .request_state import RequestState, is_json
from .stopping_worker import ThreadWorker

# These two constants limit kinds of requests. For each kind, there are threads for this number of
# clients, each with `BODIES_PER_CLIENT` requests. If all of these clients stall, no thread is left
# for the kind. A thread that waits for a socket is cheap.
STREAM_CLIENTS = 4
LARGE_RESPONSE_CLIENTS = 6
# A large JSON body is received within `BODY_TIMEOUT`, before the user is known. Few routes need it.
LARGE_JSON_CLIENTS = 2
# With at most this number of unread bytes, another response still fits into the send buffer.
MAX_UNREAD_BYTES = 16 * 1024
# `/healthz` and `/readyz` have separate threads: all others may wait for a database that fails.
HEALTH_THREADS = 2
HEALTH_PATTERN = re.compile(rb'(?:GET|HEAD) /(?:healthz|readyz)[ ?]')
# The longest time for one body, even if it arrives at the minimum rate.
MAX_BODY_SECONDS = 24 * 3600


class ApiWorker(PollingWorker):
    """A worker with threads for requests that have arrived. Other connections wait in a poller.

    Each kind of request has its own limiter and its own threads, so that no kind of request waits
    for another kind. gunicorn's setting `threads` is the number for ordinary requests.
    """

    #: Maximum number of large request bodies at the same time per IP network, per credential and
    #: per user; also of large responses per user or, without a login, per IP network
    #: (`BODIES_PER_CLIENT`).
    bodies_per_client: int = 6
    #: Seconds that a request that hashes a password waits for a thread. Then it gets 503.
    queue_timeout_seconds: float = 2.0
    #: Seconds that a large body waits for a thread, or for another one of its client. Then: 429.
    stream_queue_timeout_seconds: float = 10.0
    #: Whether this worker runs tasks instead of serving requests (`pre_fork` decides).
    serves_tasks: bool = False
    #: The number of proxies that append to `X-Forwarded-For` (`TRUSTED_PROXIES`).
    trusted_proxies: int = 0

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Ensure that gunicorn has no TLS configured: the worker cannot examine encrypted bytes.

        :raises SystemExit: if TLS is configured.
        """
        super().check_config(cfg, log)
        if cfg.is_ssl:
            raise SystemExit('Refusing to start: ApiWorker has no TLS; terminate TLS at a proxy.')

    def init_process(self) -> None:
        """Create the limiters, with the limits that `post_fork` has set, then serve."""
        threads, bodies = int(self.cfg.threads), self.bodies_per_client
        # A large body is counted under the IP network of its client only until its user is known.
        # The guard determines the user before it reads the body. A request without a login gets its
        # response before its body is read, too.
        self.streams, self.large_json = (
            ConcurrencyLimiter(
                clients * bodies, bodies,
                self.stream_queue_timeout_seconds, HTTPStatus.TOO_MANY_REQUESTS,
            )
            for clients in (STREAM_CLIENTS, LARGE_JSON_CLIENTS)
        )  # fmt: skip
        self.password_hashing = ConcurrencyLimiter(
            max(1, threads // 4), queue_timeout_seconds=self.queue_timeout_seconds
        )
        self.ordinary = ConcurrencyLimiter(threads)
        self.large_responses = ConcurrencyLimiter(LARGE_RESPONSE_CLIENTS * bodies)
        self.health = ConcurrencyLimiter(HEALTH_THREADS)
        self.limiters = (
            self.ordinary, self.password_hashing, self.streams, self.large_json,
            self.large_responses, self.health,
        )  # fmt: skip
        self.bodies_by_user = ClientLimiter(bodies)
        self.responses_by_client = ClientLimiter(bodies, self.large_responses.max_running)
        # The request and the connection that the current thread handles.
        self.current = threading.local()
        measure_worker(self)
        super().init_process()

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """Return the thread pool that runs the requests of all limiters.

        It has a thread for each slot of each limiter. It starts a thread only if all others are
        busy.
        """
        return ThreadPoolExecutor(sum(limiter.max_running for limiter in self.limiters))

    def load_wsgi(self) -> None:
        """Load the application and its list of routes that hash passwords.

        The application gets the callbacks that count large bodies and responses.
        """
        super().load_wsgi()
        application = self.wsgi
        self.password_requests = PasswordRequests(application)
        self.body_limits = BodyLimits(application)
        settings = getattr(application, 'config', {})
        self.trusted_proxies = settings.get('TRUSTED_PROXIES', 0)
        self.cors_origins = settings.get('CORS_ORIGINS', ())

        def limited(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            conn, request = self.current.conn, self.current.request
            environ[START_BODY_TIMEOUT] = partial(self._start_body_timeout, request)
            environ[CLAIM_RESPONSE] = partial(self._claim_response, conn)
            if self._has_large_body(conn):
                environ[CLAIM_BODY] = partial(self._claim_body, conn)
                start_response = close_if_unread(request, start_response.__self__)
            answer: Iterable[bytes] = application(environ, start_response)
            return answer

        self.wsgi: Any = limited

    def run(self) -> None:
        """Serve requests, or run tasks."""
        if not self.serves_tasks:
            super().run()
            return
        # Close the listeners: as long as this process or its children have one open, a restarted
        # service cannot listen on the port.
        for listener in self.sockets:
            listener.close()
        self.app.wsgi().extensions['run_task_workers'](self._should_run)

    def _should_run(self) -> bool:
        """Report to gunicorn that this worker is alive; return whether it should continue."""
        self.notify()
        return bool(self.alive and self.is_parent_alive())

    def close_listeners(self) -> None:
        """Close the listeners, and stop the log of outages.

        The task workers stop at the same time, which must not be logged as an outage.
        """
        super().close_listeners()
        if readiness := getattr(self.app.wsgi(), 'extensions', {}).get('readiness'):
            readiness.stopped.set()

    def run_request(self, conn: Connection, state: RequestState, received: bytes) -> None:
        """Run a request in a thread, or queue it until its limiter has a free thread."""
        if unread_bytes(conn.sock) > MAX_UNREAD_BYTES:
            # A client that sends requests without reading responses would block a thread.
            self.reject(conn, HTTPStatus.TOO_MANY_REQUESTS, 'Earlier responses are unread')
            return
        keys: Iterable[Hashable] = ()
        if state is RequestState.STREAM:
            conn.limiter = self.large_json if is_json(received) else self.streams
            address = address_key(received, conn.client, self.trusted_proxies)
            keys = {address, credential_key(received) or address}
        elif HEALTH_PATTERN.match(received):
            conn.limiter = self.health
        elif self.password_requests.matches(received):
            conn.limiter = self.password_hashing
        else:
            conn.limiter = self.ordinary
        if conn.limiter.acquire(conn, keys):
            super().run_request(conn, state, received)

    def is_too_large(self, received: bytes) -> bool:
        """Return whether the application will not read the body, because it is too large."""
        return self.body_limits.are_exceeded(received)

    def handle(self, conn: Connection) -> Any:
        """Handle the next request of a connection in a thread."""
        self.current.conn = conn
        return super().handle(conn)

    def handle_request(self, req: Any, conn: Connection) -> bool:
        """Handle a request in a thread, with a reader that reads its body in large blocks."""
        req.body = use_direct_body_reader(req.body, req.unreader)
        self.current.request = req
        if conn.has_continued:
            # gunicorn would send `100 Continue` a second time.
            req._expected_100_continue = conn.has_continued = False
        if self._has_large_body(conn):
            self._start_stream(req, conn)
        try:
            return bool(super().handle_request(req, conn))
        except TimeoutError as silence:
            # Not an error of the service: log one line instead of a traceback.
            self.log.warning('Aborted the response to %s %s: its client did not read for %d s',
                             req.method, req.path, self.stall_timeout_seconds)  # fmt: skip
            raise ConnectionResetError(ECONNRESET, 'the client did not read') from silence
        finally:
            req.unreader.reset_limits()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Let gunicorn log an error and choose the status; respond in the format JSend."""
        page = ResponseRecorder()
        super().handle_error(req, page, addr, exc)
        status, request_id = page.status_for(exc), uuid4().hex
        self.log.warning('The response has status %d, request id %s', status, request_id)
        with suppress(OSError):
            client.settimeout(1)
            client.sendall(error_response(status, request_id, self.current.conn.cors_headers))

    def finish_request(self, conn: Connection, future: Future[Any]) -> None:
        """Run the requests that waited for this one; keep the connection or close it."""
        if conn.limiter is not self.ordinary:
            self.bodies_by_user.release(conn)
            self.responses_by_client.release(conn)
        self._reject_expired(conn.limiter)
        self._submit(conn.limiter.release(conn))
        if future.cancelled() or future.exception() or future.result():
            super().finish_request(conn, future)
        else:
            self.lingering_close(conn)

    def murder_pending(self) -> None:
        """Reject requests that arrive too slowly, or wait too long for a thread."""
        super().murder_pending()
        for limiter in self.limiters:
            self._reject_expired(limiter)

    def _reject_expired(self, limiter: ConcurrencyLimiter) -> None:
        if limiter.waiting:
            for conn in limiter.pop_expired():
                self.reject(conn, limiter.rejection, 'A request waited too long for a thread')

    def _submit(self, conns: Iterable[Connection]) -> None:
        for conn in conns:
            ThreadWorker.enqueue_req(self, conn)

    def _start_stream(self, req: Any, conn: Connection) -> None:
        """Set the time limits for a body that is read while it arrives."""
        req.unreader.on_timeout = req.force_close
        deadline = time.monotonic() + (0 if conn.is_late else MAX_BODY_SECONDS)
        req.unreader.rate = BodyRate(self.body_min_rate, self.rate_window_seconds, deadline)
        conn.is_late = False

    def _start_body_timeout(self, req: Any) -> None:
        req.unreader.start_timeout(self.body_timeout_seconds, on_timeout=req.force_close)

    def _has_large_body(self, conn: Connection) -> bool:
        return conn.limiter is self.streams or conn.limiter is self.large_json

    def _claim_body(self, conn: Connection, user_id: int) -> None:
        """Count a large request body under its user instead of the IP network of its client.

        :raises TooManyRequests: if the user already sends too many large bodies.
        """
        self.bodies_by_user.claim(conn, user_id)
        self.method_queue.defer(self._release_address, conn)

    def _release_address(self, conn: Connection) -> None:
        for key in conn.limiter.running.get(conn, frozenset()):
            if isinstance(key, AddressKey):
                self._submit(conn.limiter.release_key(conn, key))

    def _claim_response(self, conn: Connection, client: Hashable) -> None:
        """Count a large response under its client, and move its request to the limiter for these.

        :raises TooManyRequests: if too many large responses are being sent to the client or in
            total.
        """
        self.responses_by_client.claim(conn, client)
        self.method_queue.defer(self._move_to_large_responses, conn)

    def _move_to_large_responses(self, conn: Connection) -> None:
        """Move a request to the limiter of large responses.

        This limiter has a free slot for each response that `_claim_response` has counted. The slot
        of the previous limiter becomes free.
        """
        before, conn.limiter = conn.limiter, self.large_responses
        conn.limiter.acquire(conn)
        self._submit(before.release(conn))
