"""The crew: the processes that work the outbox off, and the one that starts, watches and ends them.

That one touches neither the database nor a task, so nothing that a task does can stop it. A process
that dies is replaced, one that takes too long is killed, and what they had is tried again.
"""

import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import wait
from types import FrameType

from flask import Flask

from project.core.database.session import db

from .worker_slot import FORK, Seat

TICK = 0.5  # seconds between two looks at everybody
GRACE = 25.0  # seconds for what runs when the service ends: less than gunicorn has
PAUSE = 0.5  # seconds before a seat is taken anew whose process ended as soon as it began

log = logging.getLogger(__name__)


class Crew:
    """Processes, and who looks after them."""

    def __init__(self, app: Flask, seats: list[Seat]) -> None:
        self.app = app
        self.seats = seats

    def run(self, goes_on: Callable[[], bool]) -> None:
        """Keep every seat taken while it goes on; then let what runs finish, and end."""
        try:
            while goes_on():
                for seat in self.seats:
                    self._tend(seat)
                alive = [s.process.sentinel for s in self.seats if s.process and not _ended(s)]
                wait(alive, TICK)
            self._finish(goes_on)
        finally:
            self._end()

    def _tend(self, seat: Seat) -> None:
        _end_overdue(seat)
        if _ended(seat) and time.monotonic() - seat.since > PAUSE:
            if seat.process:
                log.warning('%s ended with code %s', seat.name, seat.process.exitcode)
            seat.take_over()
            seat.process = FORK.Process(target=_sit, args=(self.app, seat), name=seat.name)
            seat.process.start()

    def _finish(self, beat: Callable[[], object]) -> None:
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline and not all(map(_ended, self.seats)):
            for seat in self.seats:
                _end_overdue(seat)
                # Said again: a process that was only just started may not have heard it.
                if seat.process and not _ended(seat):
                    seat.process.terminate()
            wait([s.process.sentinel for s in self.seats if s.process and not _ended(s)], TICK)
            beat()

    def _end(self) -> None:
        for seat in self.seats:
            if not _ended(seat):
                _kill(seat)


def _end_overdue(seat: Seat) -> None:
    if seat.is_overdue and not _ended(seat):
        log.error('%s takes longer than it may, and is ended', seat.name)
        _kill(seat)


def _kill(seat: Seat) -> None:
    """End a process, and those that it has started."""
    if seat.process and seat.process.pid:
        # It may not have come so far as to have a group of its own.
        with suppress(ProcessLookupError):
            os.killpg(seat.process.pid, signal.SIGKILL)
        seat.process.kill()
        seat.process.join()


def _ended(seat: Seat) -> bool:
    return seat.process is None or not seat.process.is_alive()


def _sit(app: Flask, seat: Seat) -> None:
    """Begin as a process of the crew: with its own signals, and no connection of another's."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        seat.tell_to_end()

    # A group of its own: what a task starts ends with it.
    os.setpgrp()
    _die_with_leader()
    # Whoever forked us may have had other ideas about signals. Each one rings, whichever thread
    # the system gives it to: who waits for the bell comes to know of it.
    signal.set_wakeup_fd(seat.bell.writer, warn_on_full_buffer=False)
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGWINCH):
        signal.signal(ignored, signal.SIG_IGN)
    for default in (signal.SIGABRT, signal.SIGCHLD):
        signal.signal(default, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, stop)
    with app.app_context():
        db.engine.dispose(close=False)
    try:
        seat.role(app, seat)
    except Exception:
        log.exception('%s has failed', seat.name)
        raise SystemExit(1) from None


def _die_with_leader() -> None:
    """Have the system end this process with its leader, also where no thread of it gets a turn.

    Linux can (prctl(2), PR_SET_PDEATHSIG); elsewhere a thread looks.
    """
    if sys.platform == 'linux':
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
