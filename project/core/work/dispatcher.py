"""The dispatcher: looks into the outbox when the bell rings, and once a second if it does not.

It starts what is due by a timetable, and wakes the workers, or hands their work to the engine.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from project.core.clock import now
from project.core.data.tasks import leases, schedules
from project.core.data.tasks.doorbell import Doorbell, Pipe

from .engine import Engine, EngineDown
from .seat import Seat, is_orphan

POLL_EVERY = 1.0  # seconds
# As long as an engine has that many, it has enough to do; a lost one is soon handed out again.
IN_FLIGHT = 500
BATCH = 100
SOON = 0.05  # seconds

log = logging.getLogger(__name__)


class Hand(Protocol):
    """How work reaches its workers."""

    def __call__(self) -> float:
        """Hand out what is due, and return in how many seconds to look again at the latest."""


def dispatch(bells: list[Pipe], broker: str = '') -> Callable[[Flask, Seat], None]:
    """Return the role of a dispatcher, for workers with these bells or for those of a broker."""

    def look_after(app: Flask, seat: Seat) -> None:
        hand = ToEngine(Engine(broker)) if broker else ToWorkers(bells)
        doorbell: Doorbell = app.extensions['doorbell']
        fire_at = now()
        while not seat.is_told_to_end and not is_orphan(seat.leader):
            try:
                with app.app_context():
                    fire_at = _fire(fire_at)
                    doorbell.wait(hand(), seat.bell)
            except SQLAlchemyError as error:
                log.warning('the outbox cannot be read: %s', type(error).__name__)
                seat.pause(POLL_EVERY)

    return look_after


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
        room = IN_FLIGHT - leases.count_sent()
        if room <= 0:
            return SOON
        ids = leases.hand_out(min(room, BATCH))
        try:
            while ids:
                self.engine.send(ids[-1])
                ids.pop()
        except EngineDown as error:
            log.warning('the broker does not take tasks: %s', error)
            leases.take_back(ids)
            return POLL_EVERY
        return SOON


def _fire(due: datetime) -> datetime:
    """Start what is due by a timetable, unless nothing can be yet."""
    return schedules.fire_due() if due <= now() else due
