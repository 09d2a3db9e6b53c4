"""A semaphore that limits concurrency across all processes of the service."""

import fcntl
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import ServiceUnavailable

# The interval at which a waiting process checks whether another process has released a slot.
POLL_INTERVAL_SECONDS = 0.005


class SlotUnavailable(ServiceUnavailable):
    """No slot of a semaphore became free in time. If a task raises this, it is retried soon."""

    def __init__(self) -> None:
        super().__init__('no slot became free in time', retry_after=2)


class InterprocessSemaphore:
    """A semaphore whose slots are locks on single bytes of an unlinked file.

    Create it before the service forks, so that all processes share the file. The operating system
    releases a lock when its process exits, even after SIGKILL.
    """

    def __init__(self) -> None:
        self._file, path = tempfile.mkstemp(prefix='semaphore-')
        Path(path).unlink()
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    @contextmanager
    def acquire(self, max_holders: int, *, timeout: float) -> Iterator[None]:
        """Hold one of `max_holders` slots while the block runs; wait if all are held.

        :param max_holders: the number of slots. All callers pass the same number, from a setting.
        :param timeout: the maximum wait in seconds.
        :raises SlotUnavailable: if no slot becomes free within `timeout` seconds.
        """
        number = self._wait(max_holders, time.monotonic() + timeout)
        try:
            yield
        finally:
            with self._released:
                self._release(number)
                self._released.notify()

    def has_free_slot(self, max_holders: int) -> bool:
        """Return whether one of `max_holders` slots is free at this moment."""
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
        # fcntl locks belong to a process: a second lock by the same process always succeeds. So the
        # slots that this process has are also stored in `_held_slots`.
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
        """Start without slots after a fork: a child does not inherit the locks of its parent."""
        self._held_slots: set[int] = set()
        self._released = threading.Condition()
