"""The crew: the processes that work the outbox off, and the one that starts, watches and ends them.

That one touches neither the database nor a task, so nothing that a task does can stop it. A process
that dies is replaced, one that takes too long is killed, and what they had is tried again.
"""

import logging
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from types import FrameType

from flask import Flask

from project.core.data.database import db

from .seat import FORK, Seat

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
        if seat.process and seat.is_overdue:
            log.error('%s takes longer than its time limit, and is ended', seat.name)
            seat.process.kill()
            seat.process.join()
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
                # Said again: a process that was only just started may not have heard it.
                if seat.process and not _ended(seat):
                    seat.process.terminate()
            wait([s.process.sentinel for s in self.seats if s.process and not _ended(s)], TICK)
            beat()

    def _end(self) -> None:
        for seat in self.seats:
            if seat.process and not _ended(seat):
                seat.process.kill()
                seat.process.join()


def _ended(seat: Seat) -> bool:
    return seat.process is None or not seat.process.is_alive()


def _sit(app: Flask, seat: Seat) -> None:
    """Begin as a process of the crew: with its own signals, and no connection of another's."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        seat.tell_to_end()

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
    seat.role(app, seat)
