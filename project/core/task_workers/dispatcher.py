"""The dispatcher: looks into the outbox when the bell rings, and once a second if it does not.

It starts what is due by a timetable, and wakes the workers, or hands their work to the engine.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from project.core.clock import now
from project.core.tasks import leases, periodic
from project.core.tasks.notifications import Doorbell, Pipe

from .broker import Engine, EngineDown
from .worker_slot import Seat, is_orphan

POLL_EVERY = 1.0  # seconds
# With so many an engine has enough to do, however often those that wait are handed out again.
IN_FLIGHT = 500
BATCH = 100
SOON = 0.1  # seconds
# For one look: longer than the database lets a statement take. After that it is a connection that
# nobody answers, and another process looks.
LOOK = timedelta(seconds=60)

log = logging.getLogger(__name__)


class Hand(Protocol):
    """How work reaches its workers."""

    def __call__(self) -> float:
        """Hand out what is due, and return in how many seconds to look again at the latest."""


def dispatch(workers: list[Seat], broker: str = '') -> Callable[[Flask, Seat], None]:
    """Return the role of a dispatcher: for these workers, or with a broker for those of all."""

    def look_after(app: Flask, seat: Seat) -> None:
        hand = ToEngine(Engine(broker)) if broker else ToWorkers([w.bell for w in workers])
        doorbell: Doorbell = app.extensions['doorbell']
        renewals, fire_at = Renewals(workers), now()
        while not seat.is_told_to_end and not is_orphan(seat.leader):
            seat.allow(LOOK)
            try:
                with app.app_context():
                    renewals()
                    fire_at = _fire(fire_at)
                    doorbell.wait(hand(), seat.bell)
            except SQLAlchemyError as error:
                log.warning('the outbox cannot be read: %s', type(error).__name__)
                seat.pause(POLL_EVERY)

    return look_after


class Renewals:
    """Renews the leases of workers that are busy.

    From here and not from there: a task may keep its whole interpreter busy, and still is at work.
    """

    def __init__(self, workers: list[Seat]) -> None:
        self.workers = workers
        self.renewed = float('-inf')

    def __call__(self) -> None:
        """Renew them, if it is time."""
        busy = [worker.lease for worker in self.workers if worker.is_busy]
        if busy and time.monotonic() - self.renewed > leases.RENEW_EVERY:
            leases.renew(busy)
            self.renewed = time.monotonic()


class ToWorkers:
    """Rings at the workers beside us."""

    def __init__(self, bells: list[Pipe]) -> None:
        self.bells = bells

    def __call__(self) -> float:
        """Wake them all: they agree among themselves."""
        if leases.is_any_due():
            for bell in self.bells:
                bell.ring()
        return POLL_EVERY


class ToEngine:
    """Sends the ids of tasks that are due; the outbox stays the truth."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def __call__(self) -> float:
        """Send as many as the engine may have at once. While it is down, they wait here."""
        if not leases.is_any_due():
            return POLL_EVERY
        try:
            room = IN_FLIGHT - self.engine.depth()
            if room > 0:
                self._send(leases.hand_out(min(room, BATCH)))
        except EngineDown as error:
            log.warning('the broker does not take tasks: %s', error)
            return POLL_EVERY
        return SOON

    def _send(self, ids: list[UUID]) -> None:
        for position, task_id in enumerate(ids):
            try:
                self.engine.send(task_id)
            except EngineDown:
                leases.take_back(ids[position:])
                raise


def _fire(due: datetime) -> datetime:
    """Start what is due by a timetable, unless nothing can be yet."""
    return periodic.fire_due() if due <= now() else due
