"""The supervisor, which starts, monitors and stops the processes that run tasks.

The supervisor itself uses no database and runs no task, so that no task can stop it. The supervisor
replaces a process that has died, and kills a process that takes too long. In both cases, the task
of the process is retried.
"""

import logging
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import wait
from types import FrameType

from flask import Flask

from project.core.database.session import db
from project.core.processes import set_parent_death_signal, set_process_name

from .worker_slot import FORK, WorkerSlot

POLL_INTERVAL_SECONDS = 0.5  # between two checks of all processes
SHUTDOWN_GRACE_SECONDS = 25.0  # for running tasks when the service stops; gunicorn waits longer
RESTART_DELAY_SECONDS = 0.5  # from the start of a process that ends immediately to its replacement

log = logging.getLogger(__name__)


class Supervisor:
    """The process that starts a process for each slot, and replaces it when it ends."""

    def __init__(self, app: Flask, slots: list[WorkerSlot]) -> None:
        self.app = app
        self.slots = slots

    def run(self, should_run: Callable[[], bool]) -> None:
        """Run a process for each slot while `should_run` returns True; then stop all processes.

        Running tasks have `SHUTDOWN_GRACE_SECONDS` to finish.
        """
        try:
            while should_run():
                for slot in self.slots:
                    self._supervise(slot)
                alive = [s.process.sentinel for s in self.slots if s.process and not _has_ended(s)]
                wait(alive, POLL_INTERVAL_SECONDS)
            self._stop(should_run)
        finally:
            self._kill_remaining()

    def _supervise(self, slot: WorkerSlot) -> None:
        _kill_if_overdue(slot)
        if _has_ended(slot) and time.monotonic() - slot.since > RESTART_DELAY_SECONDS:
            if slot.process:
                log.warning('%s ended with exit code %s', slot.name, slot.process.exitcode)
            slot.reset_for_next_process()
            slot.process = FORK.Process(target=_run_slot, args=(self.app, slot), name=slot.name)
            slot.process.start()

    def _stop(self, send_heartbeat: Callable[[], object]) -> None:
        deadline = time.monotonic() + SHUTDOWN_GRACE_SECONDS
        while time.monotonic() < deadline and not all(map(_has_ended, self.slots)):
            for slot in self.slots:
                _kill_if_overdue(slot)
                # The signal is sent repeatedly: a process that has just started may not have
                # handled the first one.
                if slot.process and not _has_ended(slot):
                    slot.process.terminate()
            wait(
                [s.process.sentinel for s in self.slots if s.process and not _has_ended(s)],
                POLL_INTERVAL_SECONDS,
            )
            send_heartbeat()

    def _kill_remaining(self) -> None:
        for slot in self.slots:
            if not _has_ended(slot):
                _kill(slot)


def _kill_if_overdue(slot: WorkerSlot) -> None:
    if slot.is_overdue and not _has_ended(slot):
        log.error('%s has exceeded its time limit and is killed', slot.name)
        _kill(slot)


def _kill(slot: WorkerSlot) -> None:
    """Kill the process of a slot, and the processes that it has started."""
    if slot.process and slot.process.pid:
        # A new process may not have created its process group yet, so that the group does not
        # exist.
        with suppress(ProcessLookupError):
            os.killpg(slot.process.pid, signal.SIGKILL)
        slot.process.kill()
        slot.process.join()


def _has_ended(slot: WorkerSlot) -> bool:
    return slot.process is None or not slot.process.is_alive()


def _run_slot(app: Flask, slot: WorkerSlot) -> None:
    """Run the function of a slot (`role`) in a child process.

    The child has its own signal handlers, and uses no database connection of another process.
    """

    def stop(_signal: int, _frame: FrameType | None) -> None:
        slot.request_stop()

    # A separate process group: if this process is killed, the processes that its tasks start are,
    # too.
    os.setpgrp()
    set_parent_death_signal(slot.parent_pid)
    set_process_name(slot.name)
    # Replace the signal handlers of the parent. Each signal also writes to the wakeup pipe,
    # whichever thread receives it. So a process that waits for a notification handles the signal
    # immediately.
    signal.set_wakeup_fd(slot.wakeup.writer, warn_on_full_buffer=False)
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGWINCH):
        signal.signal(ignored, signal.SIG_IGN)
    for default in (signal.SIGABRT, signal.SIGCHLD):
        signal.signal(default, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, stop)
    with app.app_context():
        db.engine.dispose(close=False)
    try:
        slot.role(app, slot)
    except Exception:
        log.exception('%s has failed', slot.name)
        raise SystemExit(1) from None
