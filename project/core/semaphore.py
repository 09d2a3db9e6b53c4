"""Turns: at most so many of something at once, in all processes of the service together."""

import fcntl
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import Unavailable

POLL = 0.005  # seconds between two looks whether another process has finished


class Turns:
    """Made before the service forks: each turn is the lock on one byte of a file without a name.

    The system gives a lock back with the process that has it, however that ends.
    """

    def __init__(self) -> None:
        self._file, path = tempfile.mkstemp(prefix='turns-')
        Path(path).unlink()
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    @contextmanager
    def taken(self, most: int, *, patience: float) -> Iterator[None]:
        """Take a turn for as long as the block lasts, when fewer than `most` are taken.

        Refuses with Unavailable who has waited for longer than `patience` seconds.
        """
        number = self._wait(most, time.monotonic() + patience)
        try:
            yield
        finally:
            with self._given_back:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number)
                self._ours.remove(number)
                self._given_back.notify()

    def _wait(self, most: int, deadline: float) -> int:
        with self._given_back:
            while (number := self._take(most)) is None:
                if time.monotonic() > deadline:
                    raise Unavailable('no turn was free in time', retry_after=2)
                self._given_back.wait(POLL)
            return number

    def _take(self, most: int) -> int | None:
        # Of one process the system takes the second lock on a byte for the first.
        for number in set(range(most)) - self._ours:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
            except OSError:
                continue
            self._ours.add(number)
            return number
        return None

    def _forget(self) -> None:
        """Begin without any: what the parent has taken is not this process's."""
        self._ours: set[int] = set()
        self._given_back = threading.Condition()
