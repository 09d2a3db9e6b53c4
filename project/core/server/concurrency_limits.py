"""Concurrency limits of requests: per kind of request, and per client."""

import time
from collections import Counter, deque
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from math import inf
from threading import Lock
from typing import Any

from project.core.errors import TooManyRequests

from .request_metrics import WAITED

# Seconds after which a client with too many requests in flight may try again.
RETRY_AFTER_SECONDS = 2


@dataclass(slots=True)
class ConcurrencyLimiter:
    """A limit of the requests that run at the same time, and the queue of those that wait.

    :param max_running: maximum number of requests that run at the same time.
    :param max_per_key: maximum number of running requests with the same key, such as the IP network
        of a client.
    :param queue_timeout_seconds: time that a request may wait before it runs.
    :param rejection: status of the response to a request that has waited longer.
    :param name: the kind of its requests, for metrics.
    """

    max_running: int
    max_per_key: float = inf
    queue_timeout_seconds: float = inf
    rejection: HTTPStatus = HTTPStatus.SERVICE_UNAVAILABLE
    name: str = ''
    running: dict[Any, frozenset[Hashable]] = field(default_factory=dict)
    counts: Counter[Hashable] = field(default_factory=Counter)
    waiting: deque[tuple[float, Any, frozenset[Hashable]]] = field(default_factory=deque)

    @property
    def is_full(self) -> bool:
        """Whether all slots are taken, so that the next request must wait."""
        return len(self.running) >= self.max_running

    def acquire(self, conn: Any, keys: Iterable[Hashable] = ()) -> bool:
        """Start a request and return True, or queue it and return False.

        :param keys: the keys under which the request is counted, such as the IP network of its
            client.
        """
        keys = frozenset(keys)
        if self._may_run(keys):
            self._start(conn, keys)
            return True
        self.waiting.append((time.monotonic(), conn, keys))
        return False

    def release(self, conn: Any) -> Iterator[Any]:
        """Free the slot of a finished request, and give free slots to waiting requests.

        :returns: the connections of these requests, which the caller must run.
        """
        self._subtract(self.running.pop(conn))
        return self._start_waiting()

    def release_key(self, conn: Any, key: Hashable) -> Iterator[Any]:
        """Stop counting a running request under a key, such as an IP network.

        The request keeps its slot. Requests that waited because of this key may now get free slots.

        :returns: the connections of these requests, which the caller must run.
        """
        if key in self.running.get(conn, ()):
            self.running[conn] -= {key}
            self._subtract([key])
            yield from self._start_waiting()

    def pop_expired(self) -> Iterator[Any]:
        """Remove waiting requests that have exceeded the queue timeout; yield their connections."""
        moment = time.monotonic()
        while self.waiting and moment - self.waiting[0][0] > self.queue_timeout_seconds:
            yield self.waiting.popleft()[1]

    def _may_run(self, keys: frozenset[Hashable]) -> bool:
        if self.is_full:
            return False
        return not keys or all(self.counts[key] < self.max_per_key for key in keys)

    def _start(self, conn: Any, keys: frozenset[Hashable]) -> None:
        self.running[conn] = keys
        if keys:
            self.counts.update(keys)

    def _subtract(self, keys: Iterable[Hashable]) -> None:
        for key in keys:
            self.counts[key] -= 1
            if not self.counts[key]:
                del self.counts[key]

    def _start_waiting(self) -> Iterator[Any]:
        index = 0
        while index < len(self.waiting) and not self.is_full:
            since, conn, keys = self.waiting[index]
            if self._may_run(keys):
                del self.waiting[index]
                self._start(conn, keys)
                WAITED.observe(time.monotonic() - since, self.name)
                yield conn
            else:
                index += 1


class ClientLimiter:
    """A limit of the running requests per client, for all connections of a process. Thread-safe.

    :param max_per_client: maximum number of requests of one client at the same time.
    :param max_total: maximum number of requests of all clients at the same time.
    """

    def __init__(self, max_per_client: int, max_total: float = inf) -> None:
        self.max_per_client = max_per_client
        self.max_total = max_total
        self._clients: dict[Any, Hashable] = {}
        self._counts: Counter[Hashable] = Counter()
        self._lock = Lock()

    def claim(self, conn: Any, client: Hashable) -> None:
        """Count the request of a connection under its client, unless it is counted already.

        :param client: a user id, or the network of an IP address.
        :raises TooManyRequests: if the client, or all clients together, have too many running
            requests.
        """
        with self._lock:
            if conn in self._clients:
                return
            is_full = len(self._clients) >= self.max_total
            if is_full or self._counts[client] >= self.max_per_client:
                raise TooManyRequests(RETRY_AFTER_SECONDS)
            self._clients[conn] = client
            self._counts[client] += 1

    def release(self, conn: Any) -> None:
        """Stop counting the request of a connection, if it is counted."""
        with self._lock:
            client = self._clients.pop(conn, None)
            if client is not None:
                self._counts[client] -= 1
                if not self._counts[client]:
                    del self._counts[client]
