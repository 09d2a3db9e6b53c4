"""Lanes: kinds of requests that may have only some of the threads, so that others find one free."""

import re
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Any

# What hashes a password: each takes a core, and 19 MiB, for as long as hundreds of others take.
COSTLY_REQUEST_PATTERN = re.compile(
    rb'(?:POST|PUT) /api/v1/auth/(?:accounts|invitations|password|password-resets|sessions'
    rb'|sessions/current/reauthentication|verifications)[ ?]'
)


@dataclass(slots=True)
class ConcurrencyLimiter:
    """Connections whose requests run, and those that wait until one of them has finished.

    :param patience: seconds after which who waits is told so, rather than served.
    """

    queue_timeout_seconds: float = inf
    running: set[Any] = field(default_factory=set)
    waiting: deque[tuple[float, Any]] = field(default_factory=deque)

    def acquire(self, conn: Any, max_running: int) -> bool:
        """Tell whether a request may run now; else it waits."""
        if len(self.running) < max_running:
            self.running.add(conn)
            return True
        self.waiting.append((time.monotonic(), conn))
        return False

    def release(self, conn: Any) -> Iterator[tuple[Any, bool]]:
        """Let one go that has finished; yield who waited too long, and then the next to run.

        With each comes whether it is to run.
        """
        if conn not in self.running:
            return
        self.running.remove(conn)
        while self.waiting:
            since, waiting = self.waiting.popleft()
            if time.monotonic() - since > self.queue_timeout_seconds:
                yield waiting, False
                continue
            self.running.add(waiting)
            yield waiting, True
            return
