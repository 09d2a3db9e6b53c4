"""Turns: at most so many of something at once, in all processes of the service together."""

import fcntl
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import ServiceUnavailable

POLL_INTERVAL_SECONDS = 0.005  # seconds between two looks whether another process has finished


class SlotUnavailable(ServiceUnavailable):
    """All slots of a semaphore are held. A task that raises it runs again soon."""

    def __init__(self) -> None:
        super().__init__('no turn was free in time', retry_after=2)


class InterprocessSemaphore:
    """Made before the service forks: each turn is the lock on one byte of a file without a name.

    The system gives a lock back with the process that has it, however that ends.
    """

    def __init__(self) -> None:
        self._file, path = tempfile.mkstemp(prefix='semaphore-')
        Path(path).unlink()
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    @contextmanager
    def acquire(self, max_holders: int, *, timeout: float) -> Iterator[None]:
        """Hold one of `max_holders` slots while the block runs; wait for one if all are held.

        :param timeout: seconds to wait at most.
        :raises SlotUnavailable: after that time.
        """
        number = self._wait(max_holders, time.monotonic() + timeout)
        try:
            yield
        finally:
            with self._released:
                self._release(number)
                self._released.notify()

    def has_free_slot(self, max_holders: int) -> bool:
        """Return whether one of `max_holders` slots is free now; it may be taken a moment later."""
        with self._released:
            number = self._try_acquire(max_holders)
            if number is not None:
                self._release(number)
            return number is not None

    def _wait(self, max_holders: int, deadline: float) -> int:
        with self._released:
            while (number := self._try_acquire(max_holders)) is None:
                if time.monotonic() > deadline:
                    raise SlotUnavailable
                self._released.wait(POLL_INTERVAL_SECONDS)
            return number

    def _try_acquire(self, max_holders: int) -> int | None:
        # Of one process the system takes the second lock on a byte for the first.
        for number in set(range(max_holders)) - self._held_slots:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
            except OSError:
                continue
            self._held_slots.add(number)
            return number
        return None

    def _release(self, number: int) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number)
        self._held_slots.remove(number)

    def _reset(self) -> None:
        """Begin without any: what the parent has taken is not this process's."""
        self._held_slots: set[int] = set()
        self._released = threading.Condition()
