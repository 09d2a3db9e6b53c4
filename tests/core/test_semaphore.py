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

from project.core.errors import Unavailable
from project.core.semaphore import Turns

FORK = get_context('fork')


@pytest.fixture
def turns() -> Iterator[Turns]:
    """Turns of this test's own."""
    turns = Turns()
    yield turns
    os.close(turns._file)


def hold(turns: Turns, most: int, theirs: Connection, asker: Connection) -> None:
    """Take a turn, say so, and keep it until told otherwise."""
    theirs.close()
    with turns.taken(most, patience=5):
        asker.send(True)
        asker.poll(20)


@pytest.fixture
def elsewhere(turns: Turns) -> Iterator[Callable[[int], int]]:
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


def is_free(turns: Turns, most: int, patience: float = 0.05) -> bool:
    """Tell whether one could take a turn now."""
    try:
        with turns.taken(most, patience=patience):
            return True
    except Unavailable:
        return False


class TestTaken:
    def test_lets_so_many_threads_at_once(self, turns: Turns) -> None:
        running, most_seen, guard, begin = 0, 0, Lock(), Barrier(8)

        def work() -> None:
            nonlocal running, most_seen
            begin.wait()
            for _ in range(20):
                with turns.taken(3, patience=20):
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

    def test_counts_those_of_other_processes(self, turns: Turns, elsewhere) -> None:
        elsewhere(2)
        assert is_free(turns, 2)

        elsewhere(2)
        assert not is_free(turns, 2)
        assert is_free(turns, 3)

    def test_gets_back_what_a_killed_process_had(self, turns: Turns, elsewhere) -> None:
        pid = elsewhere(1)
        assert not is_free(turns, 1)

        os.kill(pid, signal.SIGKILL)

        assert is_free(turns, 1, patience=10)

    def test_is_given_back_when_the_block_fails(self, turns: Turns) -> None:
        with pytest.raises(ZeroDivisionError), turns.taken(1, patience=0):
            raise ZeroDivisionError

        assert is_free(turns, 1)

    def test_tells_who_waited_too_long_when_to_come_again(self, turns: Turns) -> None:
        begin = time.monotonic()

        with (
            turns.taken(1, patience=0),
            pytest.raises(Unavailable) as refusal,
            turns.taken(1, patience=0.1),
        ):
            raise AssertionError

        assert refusal.value.retry_after == 2
        assert time.monotonic() - begin >= 0.1

    def test_is_not_taken_in_a_child_because_its_parent_had_one(
        self, turns: Turns, elsewhere
    ) -> None:
        with turns.taken(2, patience=0):
            elsewhere(2)

            assert not is_free(turns, 2)
