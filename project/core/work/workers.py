"""Workers: the processes that make attempts at tasks, one at a time."""

import logging
import os
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from threading import Thread
from uuid import UUID

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from project.core.data.tasks import leases
from project.core.data.tasks.attempts import attempt_one, release

from .engine import Engine
from .seat import Seat, is_orphan

IDLE = 60.0  # seconds: who is never rung looks by itself, in case that a ring was lost
PAUSE = 1.0  # seconds before a database that was away is asked again

log = logging.getLogger(__name__)


class Pulse(Thread):
    """Beside a task that runs: renews its lease, and ends the process when the crew is gone."""

    def __init__(self, app: Flask, seat: Seat) -> None:
        super().__init__(name='pulse', daemon=True)
        self.app = app
        self.seat = seat
        self.running: UUID | None = None
        self.renewed = time.monotonic()

    def start_watch(self, task_id: UUID, limit: timedelta) -> None:
        """A task begins: keep it, for so long at most."""
        self.running, self.renewed = task_id, time.monotonic()
        self.seat.allow(limit)

    def stop_watch(self) -> None:
        """It has ended."""
        self.running = None
        self.seat.free()

    def run(self) -> None:
        """Beat, once a second."""
        while True:
            time.sleep(1)
            if is_orphan(self.seat.leader):
                os._exit(1)
            if self.running and time.monotonic() - self.renewed > leases.RENEW_EVERY.seconds:
                self._renew(self.running)

    def _renew(self, task_id: UUID) -> None:
        try:
            with self.app.app_context():
                leases.renew(task_id, self.seat.lease)
            self.renewed = time.monotonic()
        except SQLAlchemyError as error:
            log.warning('a lease could not be renewed: %s', type(error).__name__)


def work(app: Flask, seat: Seat) -> None:
    """Work the outbox off whenever the bell rings."""
    pulse = Pulse(app, seat)
    pulse.start()
    while not seat.is_told_to_end:
        try:
            _take_up(app, seat)
            while not seat.is_told_to_end and attempt_one(app, seat.lease, pulse):
                pass
        except SQLAlchemyError as error:
            _complain(error)
            seat.pause(PAUSE)
        else:
            seat.pause(IDLE)


def work_for_engine(url: str) -> Callable[[Flask, Seat], None]:
    """Return the role of a worker that does what an engine brings."""

    def work_along(app: Flask, seat: Seat) -> None:
        pulse = Pulse(app, seat)
        pulse.start()

        def handle(task_id: str) -> None:
            try:
                attempt_one(app, seat.lease, pulse, partial(leases.claim, UUID(task_id)))
            except SQLAlchemyError as error:
                # The message is done with: the outbox knows better, and hands it out again.
                _complain(error)

        try:
            _take_up(app, seat)
        except SQLAlchemyError as error:
            _complain(error)
        Engine(url).work(handle, seat.wait_for_the_end)

    return work_along


def _take_up(app: Flask, seat: Seat) -> None:
    """Give back what the last one on this seat had when it ended."""
    while seat.left:
        with app.app_context():
            release(seat.left[0].lease, seat.left[0].reason)
        del seat.left[0]
    seat.settle()


def _complain(error: SQLAlchemyError) -> None:
    reason = str(getattr(error, 'orig', None) or error).splitlines()[0]
    log.warning('the outbox cannot be worked off: %s', reason)
