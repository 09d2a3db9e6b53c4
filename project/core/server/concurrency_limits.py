"""Concurrency limits: how many requests of a kind run at once, and how many of one client."""

import time
from collections import Counter, deque
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from math import inf
from threading import Lock
from typing import Any

from project.core.errors import TooManyRequests

# Seconds after which a client may try again that has too many bodies in flight.
RETRY_AFTER_SECONDS = 2


@dataclass(slots=True)
class ConcurrencyLimiter:
    """Connections whose requests run, and those that wait until one of them has finished.

    :param max_running: requests that run at once.
    :param max_per_key: requests of one key, such as a client address, that run at once.
    :param queue_timeout_seconds: how long a request may wait.
    :param rejection: the status of a request that waited for too long.
    """

    max_running: int
    max_per_key: float = inf
    queue_timeout_seconds: float = inf
    rejection: HTTPStatus = HTTPStatus.SERVICE_UNAVAILABLE
    running: dict[Any, frozenset[Hashable]] = field(default_factory=dict)
    counts: Counter[Hashable] = field(default_factory=Counter)
    waiting: deque[tuple[float, Any, frozenset[Hashable]]] = field(default_factory=deque)

    @property
    def is_full(self) -> bool:
        """Whether the next request would have to wait, whatever its keys."""
        return len(self.running) >= self.max_running

    def acquire(self, conn: Any, keys: Iterable[Hashable] = ()) -> bool:
        """Return whether a request may run now; else it waits."""
        keys = frozenset(keys)
        if self._may_run(keys):
            self._start(conn, keys)
            return True
        self.waiting.append((time.monotonic(), conn, keys))
        return False

    def release(self, conn: Any) -> Iterator[Any]:
        """End a running request; return the waiting ones that run from now on."""
        self._subtract(self.running.pop(conn))
        return self._start_waiting()

    def release_key(self, conn: Any, key: Hashable) -> Iterator[Any]:
        """Count a running request under one key less; yield the ones that run from now on."""
        if key in self.running.get(conn, ()):
            self.running[conn] -= {key}
            self._subtract([key])
            yield from self._start_waiting()

    def pop_expired(self) -> Iterator[Any]:
        """Yield the requests that have waited for too long; they wait no longer."""
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
            _, conn, keys = self.waiting[index]
            if self._may_run(keys):
                del self.waiting[index]
                self._start(conn, keys)
                yield conn
            else:
                index += 1


class UserBodies:
    """Request bodies in flight by user, of all connections of one process."""

    def __init__(self, max_per_user: int) -> None:
        self.max_per_user = max_per_user
        self._users: dict[Any, int] = {}
        self._counts: Counter[int] = Counter()
        self._lock = Lock()

    def claim(self, conn: Any, user_id: int) -> None:
        """Count the body of a connection under its user.

        :raises TooManyRequests: if the user has `max_per_user` bodies in flight.
        """
        with self._lock:
            if conn in self._users:
                return
            if self._counts[user_id] >= self.max_per_user:
                raise TooManyRequests(RETRY_AFTER_SECONDS)
            self._users[conn] = user_id
            self._counts[user_id] += 1

    def release(self, conn: Any) -> None:
        """Count the body of a connection no longer."""
        with self._lock:
            user_id = self._users.pop(conn, None)
            if user_id is not None:
                self._counts[user_id] -= 1
                if not self._counts[user_id]:
                    del self._counts[user_id]
