"""The supervisor: starts, watches and ends the processes that run the tasks of the outbox.

That one touches neither the database nor a task, so nothing that a task does can stop it. A process
that dies is replaced, one that takes too long is killed, and what they had is tried again.
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

POLL_INTERVAL_SECONDS = 0.5  # seconds between two looks at everybody
SHUTDOWN_GRACE_SECONDS = 25.0  # seconds for what runs when the service ends: less than gunicorn has
RESTART_DELAY_SECONDS = (
    0.5  # seconds before a slot is taken anew whose process ended as soon as it began
)

log = logging.getLogger(__name__)


class Supervisor:
    """Processes, and who looks after them."""

    def __init__(self, app: Flask, slots: list[WorkerSlot]) -> None:
        self.app = app
        self.slots = slots

    def run(self, goes_on: Callable[[], bool]) -> None:
        """Keep every slot taken while it goes on; then let what runs finish, and end."""
        try:
            while goes_on():
                for slot in self.slots:
                    self._tend(slot)
                alive = [s.process.sentinel for s in self.slots if s.process and not _ended(s)]
                wait(alive, POLL_INTERVAL_SECONDS)
            self._finish(goes_on)
        finally:
            self._end()

    def _tend(self, slot: WorkerSlot) -> None:
        _end_overdue(slot)
        if _ended(slot) and time.monotonic() - slot.since > RESTART_DELAY_SECONDS:
            if slot.process:
                log.warning('%s ended with code %s', slot.name, slot.process.exitcode)
            slot.reset_for_next_process()
            slot.process = FORK.Process(target=_run_slot, args=(self.app, slot), name=slot.name)
            slot.process.start()

    def _finish(self, beat: Callable[[], object]) -> None:
        deadline = time.monotonic() + SHUTDOWN_GRACE_SECONDS
        while time.monotonic() < deadline and not all(map(_ended, self.slots)):
            for slot in self.slots:
                _end_overdue(slot)
                # Said again: a process that was only just started may not have heard it.
                if slot.process and not _ended(slot):
                    slot.process.terminate()
            wait(
                [s.process.sentinel for s in self.slots if s.process and not _ended(s)],
                POLL_INTERVAL_SECONDS,
            )
            beat()

    def _end(self) -> None:
        for slot in self.slots:
            if not _ended(slot):
                _kill(slot)


def _end_overdue(slot: WorkerSlot) -> None:
    if slot.is_overdue and not _ended(slot):
        log.error('%s takes longer than it may, and is ended', slot.name)
        _kill(slot)


def _kill(slot: WorkerSlot) -> None:
    """End a process, and those that it has started."""
    if slot.process and slot.process.pid:
        # It may not have come so far as to have a group of its own.
        with suppress(ProcessLookupError):
            os.killpg(slot.process.pid, signal.SIGKILL)
        slot.process.kill()
        slot.process.join()


def _ended(slot: WorkerSlot) -> bool:
    return slot.process is None or not slot.process.is_alive()


def _run_slot(app: Flask, slot: WorkerSlot) -> None:
    """Run as a child process: with its own signals, and no connection of another process."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        slot.request_stop()

    # A group of its own: what a task starts ends with it.
    os.setpgrp()
    set_parent_death_signal(slot.parent_pid)
    set_process_name(slot.name)
    # Whoever forked us may have had other ideas about signals. Each one rings, whichever thread
    # the system gives it to: a process that waits for a notification sees it.
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
