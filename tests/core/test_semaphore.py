"""Semaphore for several processes; the slots of a killed process become free."""

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
    """Yield a semaphore for one test."""
    semaphore = InterprocessSemaphore()
    yield semaphore
    os.close(semaphore._file)


def hold(
    semaphore: InterprocessSemaphore, slots: int, parent_end: Connection, own_end: Connection
) -> None:
    """Acquire a slot in a child process, and keep it until the test closes the pipe."""
    parent_end.close()
    with semaphore.acquire(slots, timeout=5):
        own_end.send(True)
        own_end.poll(20)


@pytest.fixture
def elsewhere(semaphore: InterprocessSemaphore) -> Iterator[Callable[[int], int]]:
    """Return a function that makes a child process acquire a slot; it returns the pid."""
    with ExitStack() as stack:

        def acquire(slots: int) -> int:
            own_end, child_end = FORK.Pipe()
            process = FORK.Process(target=hold, args=(semaphore, slots, own_end, child_end))
            process.start()
            stack.callback(process.join, 10)
            # When the test closes `own_end`, the child releases its slot.
            child_end.close()
            stack.callback(own_end.close)
            assert own_end.poll(10)
            return process.pid or 0

        yield acquire


def is_free(semaphore: InterprocessSemaphore, slots: int, timeout: float = 0.05) -> bool:
    """Return whether this process can acquire a slot within `timeout` seconds."""
    try:
        with semaphore.acquire(slots, timeout=timeout):
            return True
    except ServiceUnavailable:
        return False


class TestAcquire:
    def test_admits_no_more_threads_than_slots(self, semaphore: InterprocessSemaphore) -> None:
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

    def test_counts_slots_of_other_processes(
        self, semaphore: InterprocessSemaphore, elsewhere
    ) -> None:
        elsewhere(2)
        assert is_free(semaphore, 2)

        elsewhere(2)
        assert not is_free(semaphore, 2)
        assert is_free(semaphore, 3)

    def test_frees_the_slot_of_a_killed_process(
        self, semaphore: InterprocessSemaphore, elsewhere
    ) -> None:
        pid = elsewhere(1)
        assert not is_free(semaphore, 1)

        os.kill(pid, signal.SIGKILL)

        assert is_free(semaphore, 1, timeout=10)

    def test_releases_the_slot_when_the_block_raises(
        self, semaphore: InterprocessSemaphore
    ) -> None:
        with pytest.raises(ZeroDivisionError), semaphore.acquire(1, timeout=0):
            raise ZeroDivisionError

        assert is_free(semaphore, 1)

    def test_raises_with_retry_after_when_the_wait_exceeds_the_timeout(
        self, semaphore: InterprocessSemaphore
    ) -> None:
        begin = time.monotonic()

        with (
            semaphore.acquire(1, timeout=0),
            pytest.raises(ServiceUnavailable) as error,
            semaphore.acquire(1, timeout=0.1),
        ):
            raise AssertionError

        assert error.value.retry_after == 2
        assert time.monotonic() - begin >= 0.1

    def test_does_not_count_the_parent_s_slot_for_a_child(
        self, semaphore: InterprocessSemaphore, elsewhere
    ) -> None:
        with semaphore.acquire(2, timeout=0):
            elsewhere(2)

            assert not is_free(semaphore, 2)


class TestHasFreeSlot:
    def test_is_true_until_processes_hold_all_slots(self, semaphore, elsewhere):
        elsewhere(2)
        assert semaphore.has_free_slot(2)

        with semaphore.acquire(2, timeout=0):
            assert not semaphore.has_free_slot(2)
        assert semaphore.has_free_slot(2)

    def test_acquires_no_slot(self, semaphore):
        assert semaphore.has_free_slot(1)

        with semaphore.acquire(1, timeout=0):
            pass
