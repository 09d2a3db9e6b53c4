"""Waiting for other processes, on what they do and not for a time."""

import os
import time
from collections.abc import Callable
from multiprocessing.connection import wait


def until(condition: Callable[[], object], seconds: float = 15) -> Callable[[], bool]:
    """Return what tells a crew to go on until something is the case, and fails if it never is."""
    deadline = time.monotonic() + seconds

    def goes_on() -> bool:
        assert time.monotonic() < deadline, 'this never happened'
        return not condition()

    return goes_on


class Line:
    """A pipe to processes that are forked from here: what they say, and that they are all gone."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()

    def say(self) -> None:
        """Say something, in another process."""
        os.write(self.writer, b'!')

    def receive(self, seconds: float = 15) -> bytes:
        """Return the next byte that somebody says, or nothing (`b''`) once nobody is left."""
        assert wait([self.reader], seconds), 'nobody said anything'
        return os.read(self.reader, 1)

    def listen(self) -> None:
        """Have only the others hold the end that speaks."""
        os.close(self.writer)
