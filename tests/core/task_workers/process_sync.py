"""Synchronization with other processes through their effects instead of sleeping."""

import os
import time
from collections.abc import Callable
from multiprocessing.connection import wait


def until(condition: Callable[[], object], seconds: float = 15) -> Callable[[], bool]:
    """Return the `goes_on` function of a supervisor, which runs until the condition is met.

    :raises AssertionError: if the condition is not met in time.
    """
    deadline = time.monotonic() + seconds

    def goes_on() -> bool:
        assert time.monotonic() < deadline, 'this never happened'
        return not condition()

    return goes_on


class ProcessPipe:
    """A pipe from forked processes: it delivers their bytes, and its end when all have ended."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()

    def send(self) -> None:
        """Send a byte. The other processes call this."""
        os.write(self.writer, b'!')

    def receive(self, seconds: float = 15) -> bytes:
        """Return the next byte, or `b''` once all other processes have ended."""
        assert wait([self.reader], seconds), 'no process sent anything'
        return os.read(self.reader, 1)

    def close_writer(self) -> None:
        """Close this process's copy of the writing end, so that only the others keep it open."""
        os.close(self.writer)
