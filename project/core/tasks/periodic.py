"""Scheduled tasks. Each is enqueued once per period, even if several dispatchers run."""

import logging
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import String, update
from sqlalchemy.orm import Mapped, mapped_column

from project.core.clock import now
from project.core.database.session import Base, atomic, db, execute_in_own_transaction
from project.core.database.types import UTCDateTime
from project.core.database.upsert import upsert

from .clock_repairs import CLOCK_TOLERANCE
from .outbox import enqueue
from .registry import Task, scheduled_tasks

# The longest time between two calls of `enqueue_due_schedules`, even if no schedule is due.
MAX_SLEEP = timedelta(hours=1)

log = logging.getLogger(__name__)


class Schedule(Base):
    """The last and the next run of a scheduled task."""

    __tablename__ = 'core_schedules'

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    rule: Mapped[str] = mapped_column(String(128))
    next_run_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_enqueued_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class DispatcherTick(Base):
    """The last time at which a dispatcher read the outbox. The table has one row."""

    __tablename__ = 'core_dispatcher_ticks'

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    ticked_at: Mapped[datetime] = mapped_column(UTCDateTime)


def record_dispatcher_tick() -> None:
    """Store that a dispatcher has read the outbox now."""
    tick = {'ticked_at': now()}
    execute_in_own_transaction(
        upsert(DispatcherTick, {'id': 1, **tick}, conflict=['id'], change=tick)
    )


def enqueue_due_schedules() -> datetime:
    """Enqueue the tasks of due schedules; return when to call this again, within an hour.

    A schedule that was due several times while no dispatcher ran is enqueued once. A schedule whose
    next run is more than a period ahead is due now, because a clock that was ahead has postponed
    it.
    """
    return min([now() + MAX_SLEEP, *(_enqueue_if_due(task) for task in scheduled_tasks())])


@atomic()
def _enqueue_if_due(task: Task) -> datetime:
    assert task.schedule is not None  # noqa: S101 - for the type checker
    name, rule, moment = task.name, task.schedule.rule, now()
    following = task.schedule.next_after(moment)
    # Of several concurrent dispatchers, only one updates this row. Only that one enqueues the task.
    mine = (Schedule.name == name) & (Schedule.rule == rule)
    move_on = update(Schedule).values(next_run_at=following, last_enqueued_at=moment)
    move_on = move_on.returning(Schedule.name)
    if _has_changed(move_on.where(mine, Schedule.next_run_at <= moment)):
        enqueue(task.function)
        return following
    # A new schedule, or one whose rule has changed, is first due in the next period.
    fresh = {'rule': rule, 'next_run_at': following}
    db.session.execute(
        upsert(
            Schedule,
            {'name': name, **fresh},
            conflict=['name'],
            change=fresh,
            where=Schedule.rule != rule,
        )
    )
    due: datetime = db.session.scalars(db.select(Schedule.next_run_at).where(mine)).one()
    latest = task.schedule.next_after(moment + CLOCK_TOLERANCE)
    if due > latest and _has_changed(move_on.where(mine, Schedule.next_run_at > latest)):
        log.warning('the clock was set back: %s was postponed until %s, and is due now', name, due)
        enqueue(task.function)
        return following
    return due


def _has_changed(statement: Any) -> bool:
    return db.session.execute(statement).one_or_none() is not None
