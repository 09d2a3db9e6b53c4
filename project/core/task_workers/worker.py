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

from project.core.tasks import leases
from project.core.tasks.attempts import Claim, attempt_one, release

from .broker import Engine
from .worker_slot import Seat, is_orphan

IDLE = 60.0  # seconds: who is never rung looks by itself, in case that a ring was lost
PAUSE = 1.0  # seconds before a database that was away is asked again
# For each step with the database: longer than it lets a statement take, so what is ended by this
# is a connection that nobody answers.
STEP = timedelta(seconds=60)

log = logging.getLogger(__name__)


class Watch:
    """What a seat is told of the task that runs on it."""

    def __init__(self, seat: Seat) -> None:
        self.seat = seat

    def start_watch(self, _task_id: UUID, limit: timedelta) -> None:
        """A task begins, for so long at most."""
        self.seat.begin(limit)

    def stop_watch(self) -> None:
        """It has ended, and what is left to do with the database may take a step's time."""
        self.seat.end()
        self.seat.allow(STEP)


def leave_with(leader: int) -> None:
    """End this process as soon as its leader is gone, whatever it does just then."""

    def look() -> None:
        while not is_orphan(leader):
            time.sleep(1)
        os._exit(1)

    Thread(target=look, name='leave', daemon=True).start()


def work(app: Flask, seat: Seat) -> None:
    """Work the outbox off whenever the bell rings."""
    leave_with(seat.leader)
    while not seat.is_told_to_end:
        try:
            _take_up(app, seat)
            while not seat.is_told_to_end and _attempt(app, seat, leases.claim_next):
                pass
        except SQLAlchemyError as error:
            _complain(error, seat)
            seat.pause(PAUSE)
        else:
            seat.pause(IDLE)


def work_for_engine(url: str) -> Callable[[Flask, Seat], None]:
    """Return the role of a worker that does what an engine brings."""

    def work_along(app: Flask, seat: Seat) -> None:
        leave_with(seat.leader)

        def handle(task_id: str | None = None) -> None:
            try:
                _take_up(app, seat)
                if task_id:
                    _attempt(app, seat, partial(leases.claim, UUID(task_id)))
            except SQLAlchemyError as error:
                # The message is done with: the outbox knows better, and hands it out again.
                _complain(error, seat)

        handle()
        Engine(url).work(handle, seat.wait_for_the_end)

    return work_along


def _attempt(app: Flask, seat: Seat, claim: Claim) -> bool:
    """Make an attempt, none of whose steps may take for ever; tell whether there was a task."""
    seat.allow(STEP)
    try:
        return attempt_one(app, seat.lease, Watch(seat), claim)
    finally:
        seat.end()
        seat.free()


def _take_up(app: Flask, seat: Seat) -> None:
    """Give back what the last one on this seat had when it ended."""
    while seat.left:
        seat.allow(STEP)
        with app.app_context():
            release(seat.left[0].lease, seat.left[0].reason)
        del seat.left[0]
    seat.free()
    seat.settle()


def _complain(error: SQLAlchemyError, seat: Seat) -> None:
    log.warning('the outbox cannot be worked off: %s', getattr(error, 'orig', None) or error)
    # If there was a task, what became of it could not be written down. Under another lease nobody
    # renews the one that it has, and soon somebody takes it again.
    seat.free()
    seat.change_lease()
