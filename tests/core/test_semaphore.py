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
def semaphore() -> Iterator[InterprocessSemaphore]:
    """Turns of this test's own."""
    semaphore = InterprocessSemaphore()
    yield semaphore
    os.close(semaphore._file)


def hold(
    semaphore: InterprocessSemaphore, most: int, theirs: Connection, asker: Connection
) -> None:
    """Take a turn, say so, and keep it until told otherwise."""
    theirs.close()
    with semaphore.acquire(most, timeout=5):
        asker.send(True)
        asker.poll(20)


@pytest.fixture
def elsewhere(semaphore: InterprocessSemaphore) -> Iterator[Callable[[int], int]]:
    """Return a function by which another process takes a turn; it returns that process."""
    with ExitStack() as stack:

        def take(most: int) -> int:
            ours, theirs = FORK.Pipe()
            process = FORK.Process(target=hold, args=(semaphore, most, ours, theirs))
            process.start()
            stack.callback(process.join, 10)
            # To hang up is to tell it, if it still is there.
            theirs.close()
            stack.callback(ours.close)
            assert ours.poll(10)
            return process.pid or 0

        yield take


def is_free(semaphore: InterprocessSemaphore, most: int, patience: float = 0.05) -> bool:
    """Tell whether one could take a turn now."""
    try:
        with semaphore.acquire(most, timeout=patience):
            return True
    except ServiceUnavailable:
        return False


class TestTaken:
    def test_lets_so_many_threads_at_once(self, semaphore: InterprocessSemaphore) -> None:
        running, most_seen, guard, begin = 0, 0, Lock(), Barrier(8)

        def work() -> None:
            nonlocal running, most_seen
            begin.wait()
            for _ in range(20):
                with semaphore.acquire(3, timeout=20):
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

    def test_counts_those_of_other_processes(
        self, semaphore: InterprocessSemaphore, elsewhere
    ) -> None:
        elsewhere(2)
        assert is_free(semaphore, 2)

        elsewhere(2)
        assert not is_free(semaphore, 2)
        assert is_free(semaphore, 3)

    def test_gets_back_what_a_killed_process_had(
        self, semaphore: InterprocessSemaphore, elsewhere
    ) -> None:
        pid = elsewhere(1)
        assert not is_free(semaphore, 1)

        os.kill(pid, signal.SIGKILL)

        assert is_free(semaphore, 1, patience=10)

    def test_is_given_back_when_the_block_fails(self, semaphore: InterprocessSemaphore) -> None:
        with pytest.raises(ZeroDivisionError), semaphore.acquire(1, timeout=0):
            raise ZeroDivisionError

        assert is_free(semaphore, 1)

    def test_tells_who_waited_too_long_when_to_come_again(
        self, semaphore: InterprocessSemaphore
    ) -> None:
        begin = time.monotonic()

        with (
            semaphore.acquire(1, timeout=0),
            pytest.raises(ServiceUnavailable) as refusal,
            semaphore.acquire(1, timeout=0.1),
        ):
            raise AssertionError

        assert refusal.value.retry_after == 2
        assert time.monotonic() - begin >= 0.1

    def test_is_not_taken_in_a_child_because_its_parent_had_one(
        self, semaphore: InterprocessSemaphore, elsewhere
    ) -> None:
        with semaphore.acquire(2, timeout=0):
            elsewhere(2)

            assert not is_free(semaphore, 2)


class TestHasFreeSlot:
    def test_is_true_until_all_are_held_in_any_process(self, semaphore, elsewhere):
        elsewhere(2)
        assert semaphore.has_free_slot(2)

        with semaphore.acquire(2, timeout=0):
            assert not semaphore.has_free_slot(2)
        assert semaphore.has_free_slot(2)

    def test_holds_none(self, semaphore):
        assert semaphore.has_free_slot(1)

        with semaphore.acquire(1, timeout=0):
            pass
