"""Helpers that wait for an effect of another process, instead of sleeping for a fixed time."""

import os
import time
from collections.abc import Callable
from multiprocessing.connection import wait


def until(condition: Callable[[], object], seconds: float = 15) -> Callable[[], bool]:
    """Return a `goes_on` function for `Supervisor.run`; the condition makes it return False.

    The supervisor runs as long as `goes_on` returns True.

    :raises AssertionError: if the condition is not met in time.
    """
    deadline = time.monotonic() + seconds

    def goes_on() -> bool:
        assert time.monotonic() < deadline, 'this never happened'
        return not condition()

    return goes_on


class ProcessPipe:
    """A pipe through which child processes send bytes to the test.

    Its reader also learns when all of the child processes have ended.
    """

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()

    def send(self) -> None:
        """Send a byte. The child processes call this."""
        os.write(self.writer, b'!')

    def receive(self, seconds: float = 15) -> bytes:
        """Return the next byte, or `b''` once all child processes have ended."""
        assert wait([self.reader], seconds), 'no process sent anything'
        return os.read(self.reader, 1)

    def close_writer(self) -> None:
        """Close the test's copy of the writing end, so that only child processes keep it open."""
        os.close(self.writer)
