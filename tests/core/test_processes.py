"""Functions that set attributes of a process, with and without the system calls of Linux."""

import ctypes
import os
import signal
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import pytest

from project.core import processes
from project.core.processes import (
    has_dump_flag,
    is_parent_gone,
    private_memory_bytes,
    process_exists,
    process_name,
    set_not_dumpable,
    set_parent_death_signal,
    set_process_name,
)
from tests.core.task_workers.process_sync import ProcessPipe

FORK = get_context('fork')


def without_prctl(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide prctl(2) from this process and its children, as on macOS, which lacks it."""
    monkeypatch.setattr(ctypes, 'CDLL', lambda _name: object())
    monkeypatch.setattr(processes, 'PARENT_POLL_SECONDS', 0.01)


@pytest.fixture(params=['prctl', 'fallback'])
def system(request, monkeypatch):
    """Run the test twice: with prctl(2), and with the fallback for other systems."""
    if request.param == 'fallback':
        without_prctl(monkeypatch)
    return request.param


def is_dumpable() -> bool:
    """Return the dump flag (PR_GET_DUMPABLE) of this process."""
    return ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 1


def in_child(run: Callable[[], object]) -> int | None:
    """Run a function in a forked child process; return the exit code."""

    def run_and_exit() -> None:
        run()
        # Exit before `coverage` writes its data file, which a restricted process cannot do.
        os._exit(0)

    process = FORK.Process(target=run_and_exit)
    process.start()
    process.join(60)
    return process.exitcode


class TestSetParentDeathSignal:
    @pytest.mark.usefixtures('system')
    def test_ends_a_process_whose_parent_was_killed(self):
        pipe = ProcessPipe()

        def lead():
            FORK.Process(target=follow, args=(os.getpid(),)).start()
            signal.pause()

        def follow(parent_pid):
            set_parent_death_signal(parent_pid)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            pipe.send()
            while True:
                signal.pause()

        leading = FORK.Process(target=lead)
        leading.start()
        pipe.close_writer()
        assert pipe.receive() == b'!'

        leading.kill()
        leading.join(10)

        assert pipe.receive() == b''

    @pytest.mark.usefixtures('system')
    def test_ends_a_process_whose_parent_ended_before_the_call(self):
        def follow():
            set_parent_death_signal(os.getpid())  # A wrong parent id, as if the parent had ended.
            signal.pause()

        assert in_child(follow) == 1


class TestIsParentGone:
    def test_returns_whether_the_parent_is_another_process(self):
        assert not is_parent_gone(os.getppid())
        assert is_parent_gone(os.getpid())


class TestSetProcessName:
    def test_sets_the_name_in_proc(self):
        def check():
            set_process_name('worker 1')
            assert Path('/proc/self/comm').read_text() == 'worker 1\n'

        assert in_child(check) == 0

    def test_does_nothing_on_other_systems(self, monkeypatch):
        without_prctl(monkeypatch)

        set_process_name('worker 1')


class TestSetNotDumpable:
    def test_clears_the_dump_flag(self):
        def check():
            # An earlier test may have cleared the flag, which child processes inherit.
            ctypes.CDLL(None).prctl(processes.PR_SET_DUMPABLE, 1)
            before = is_dumpable()
            set_not_dumpable()
            os._exit(0 if before and not is_dumpable() else 1)

        assert in_child(check) == 0

    def test_does_nothing_on_other_systems(self, monkeypatch):
        without_prctl(monkeypatch)

        set_not_dumpable()


class TestHasDumpFlag:
    def test_returns_whether_the_system_has_the_call(self, monkeypatch):
        assert has_dump_flag()

        without_prctl(monkeypatch)

        assert not has_dump_flag()


class TestOtherProcesses:
    def test_reads_the_name_and_the_memory_of_a_process(self):
        assert process_exists(os.getpid())
        assert process_name(os.getpid())
        assert 10_000_000 < private_memory_bytes(os.getpid()) < 10_000_000_000

    def test_finds_a_process_of_another_user(self):
        assert process_exists(1)

    def test_detects_the_end_of_a_process(self):
        process = FORK.Process(target=int)
        process.start()
        process.join()
        assert process.pid is not None
        assert not process_exists(process.pid)
        assert process_name(process.pid) is None
        assert private_memory_bytes(process.pid) == 0

    def test_returns_neither_on_other_systems(self, monkeypatch, tmp_path):
        monkeypatch.setattr(processes, 'PROC', tmp_path)
        assert process_name(os.getpid()) is None
        assert private_memory_bytes(os.getpid()) == 0
