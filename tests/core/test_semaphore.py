"""Turns: counted over threads and processes, and given back whatever happens to who has one."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Barrier, Lock, Thread

import pytest

from project.core.errors import ServiceUnavailable
from project.core.semaphore import InterprocessSemaphore

FORK = get_context('fork')


@pytest.fixture
def turns() -> Iterator[InterprocessSemaphore]:
    """Turns of this test's own."""
    turns = InterprocessSemaphore()
    yield turns
    os.close(turns._file)


def hold(turns: InterprocessSemaphore, most: int, theirs: Connection, asker: Connection) -> None:
    """Take a turn, say so, and keep it until told otherwise."""
    theirs.close()
    with turns.acquire(most, timeout=5):
        asker.send(True)
        asker.poll(20)


@pytest.fixture
def elsewhere(turns: InterprocessSemaphore) -> Iterator[Callable[[int], int]]:
    """Return a function by which another process takes a turn; it returns that process."""
    with ExitStack() as stack:

        def take(most: int) -> int:
            ours, theirs = FORK.Pipe()
            process = FORK.Process(target=hold, args=(turns, most, ours, theirs))
            process.start()
            stack.callback(process.join, 10)
            # To hang up is to tell it, if it still is there.
            theirs.close()
            stack.callback(ours.close)
            assert ours.poll(10)
            return process.pid or 0

        yield take


def is_free(turns: InterprocessSemaphore, most: int, patience: float = 0.05) -> bool:
    """Tell whether one could take a turn now."""
    try:
        with turns.acquire(most, timeout=patience):
            return True
    except ServiceUnavailable:
        return False


class TestTaken:
    def test_lets_so_many_threads_at_once(self, turns: InterprocessSemaphore) -> None:
        running, most_seen, guard, begin = 0, 0, Lock(), Barrier(8)

        def work() -> None:
            nonlocal running, most_seen
            begin.wait()
            for _ in range(20):
                with turns.acquire(3, timeout=20):
                    with guard:
                        running += 1
                        most_seen = max(most_seen, running)
                    os.sched_yield()
                    with guard:
                        running -= 1

        threads = [Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert most_seen == 3

    def test_counts_those_of_other_processes(self, turns: InterprocessSemaphore, elsewhere) -> None:
        elsewhere(2)
        assert is_free(turns, 2)

        elsewhere(2)
        assert not is_free(turns, 2)
        assert is_free(turns, 3)

    def test_gets_back_what_a_killed_process_had(
        self, turns: InterprocessSemaphore, elsewhere
    ) -> None:
        pid = elsewhere(1)
        assert not is_free(turns, 1)

        os.kill(pid, signal.SIGKILL)

        assert is_free(turns, 1, patience=10)

    def test_is_given_back_when_the_block_fails(self, turns: InterprocessSemaphore) -> None:
        with pytest.raises(ZeroDivisionError), turns.acquire(1, timeout=0):
            raise ZeroDivisionError

        assert is_free(turns, 1)

    def test_tells_who_waited_too_long_when_to_come_again(
        self, turns: InterprocessSemaphore
    ) -> None:
        begin = time.monotonic()

        with (
            turns.acquire(1, timeout=0),
            pytest.raises(ServiceUnavailable) as refusal,
            turns.acquire(1, timeout=0.1),
        ):
            raise AssertionError

        assert refusal.value.retry_after == 2
        assert time.monotonic() - begin >= 0.1

    def test_is_not_taken_in_a_child_because_its_parent_had_one(
        self, turns: InterprocessSemaphore, elsewhere
    ) -> None:
        with turns.acquire(2, timeout=0):
            elsewhere(2)

            assert not is_free(turns, 2)
