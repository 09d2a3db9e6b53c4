"""What operators see of the outbox, and what they may do to it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import case, delete, func, literal, select, tuple_, update

from project.core.clock import now
from project.core.database.session import AnyRow, atomic, db, execute_select
from project.core.errors import Conflict, NotFound

from . import leases
from .outbox import DEAD, QUEUED, RUNNING, WAITING, OutboxTask
from .periodic import DispatcherTick, Schedule
from .registry import QUEUES, SLOW, find_task, scheduled_tasks
from .serialization import redacted_arguments

STATES = (WAITING, QUEUED, RUNNING, DEAD)
BATCH_ROWS = 500
INSPECTED_COLUMNS = (
    OutboxTask.id, OutboxTask.name, OutboxTask.queue, OutboxTask.state, OutboxTask.attempts,
    case((OutboxTask.state == WAITING, OutboxTask.available_at), else_=OutboxTask.scheduled_at)
    .label('due'), OutboxTask.created_at, OutboxTask.started_at,
    OutboxTask.request_id, OutboxTask.last_error.label('error'), OutboxTask.arguments,
    OutboxTask.encrypted_arguments,
)  # fmt: skip
# Depth is a sign and no account: beyond that, more is only more.
MAX_COUNTED_TASKS = 10_000


class TaskNotFound(NotFound):
    """There is no such task, or not any more: what is done is forgotten."""

    field, reason = 'task', 'No such task; what is done is not kept'


class TaskRunning(Conflict):
    """Somebody is at work on it."""

    field, reason = 'task', 'Running: wait, or end its process'


def list_tasks(
    *, state: str | None = None, name: str | None = None, limit: int | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the tasks that are not done, oldest first; secrets are masked."""
    place = (OutboxTask.created_at, OutboxTask.id)
    chosen = _chosen(select(*INSPECTED_COLUMNS), state, name).order_by(*place)
    left = limit if limit is not None else float('inf')
    batch = execute_select(chosen.limit(int(min(left, BATCH_ROWS)))).all()
    while batch:
        yield from map(_shown, batch)
        left -= len(batch)
        if left <= 0:
            return
        rest = chosen.where(tuple_(*place) > (batch[-1].created_at, batch[-1].id))
        batch = execute_select(rest.limit(int(min(left, BATCH_ROWS)))).all()


def get_task(task_id: UUID) -> dict[str, Any]:
    """Return a task, secrets masked, or refuse with TaskNotFound."""
    row = execute_select(select(*INSPECTED_COLUMNS).where(OutboxTask.id == task_id)).one_or_none()
    if row is None:
        raise TaskNotFound
    return _shown(row)


@atomic()
def retry_task(task_id: UUID) -> None:
    """Have a task tried again now, with all attempts. Refuses one that runs or is not there."""
    again = _anew()
    one = update(OutboxTask).where(OutboxTask.id == task_id, OutboxTask.state != RUNNING)
    _ensure_found(
        task_id, db.session.execute(one.values(**again).returning(OutboxTask.id)).one_or_none()
    )


@atomic()
def delete_task(task_id: UUID) -> None:
    """Forget a task undone. Refuses one that runs or is not there."""
    one = delete(OutboxTask).where(OutboxTask.id == task_id, OutboxTask.state != RUNNING)
    _ensure_found(task_id, db.session.execute(one.returning(OutboxTask.id)).one_or_none())


@atomic()
def retry_dead_tasks(name: str | None = None) -> int:
    """Have all dead letters, or those of one task, tried again. Return how many there were."""
    again = _anew()
    dead = _chosen(update(OutboxTask), DEAD, name).values(**again).returning(OutboxTask.id)
    return len(db.session.execute(dead).all())


@atomic()
def delete_dead_tasks(name: str | None = None) -> int:
    """Forget all dead letters, or those of one task. Return how many there were."""
    dead = _chosen(delete(OutboxTask), DEAD, name).returning(OutboxTask.id)
    return len(db.session.execute(dead).all())


def task_stats() -> list[AnyRow]:
    """Return per task how many are in each state, and the age in seconds of what is due longest."""
    oldest = func.min(case((OutboxTask.state.in_((WAITING, QUEUED)), OutboxTask.scheduled_at)))
    counts = [func.count(case((OutboxTask.state == state, 1))).label(state) for state in STATES]
    found = execute_select(
        select(OutboxTask.name, *counts, oldest.label('oldest'))
        .group_by(OutboxTask.name)
        .order_by(OutboxTask.name)
    )
    return list(found.all())


def oldest_waiting_by_queue() -> dict[str, int]:
    """Return for each queue how many seconds ago its oldest undone task was to be done.

    0: no task of the queue is undone. Counted are tasks that wait, also for another attempt, and
    that run; not dead letters, nor tasks that are scheduled for later. A mail that fails since an
    hour is an hour old, whenever it is due again.
    """
    moment = now()
    oldest = _oldest_by_queue(OutboxTask.scheduled_at <= moment)
    return {queue: seconds_overdue(found) for queue, found in oldest.items()}


@dataclass(frozen=True, slots=True)
class ScheduleAge:
    """A schedule of this version: its last and its next run.

    :param seconds_since_enqueued: None: it has not run since its row exists.
    :param seconds_overdue: how many seconds ago it should have run; 0: it is not due.
    """

    name: str
    rule: str
    next_run_at: datetime | None
    seconds_since_enqueued: int | None
    seconds_overdue: int


def schedule_ages() -> list[ScheduleAge]:
    """Return the age of each schedule, by name. A schedule without a row has never been seen."""
    found = {
        row.name: row
        for row in execute_select(
            select(Schedule.name, Schedule.next_run_at, Schedule.last_enqueued_at)
        )
    }
    return [
        _age(task.name, task.schedule.rule, found.get(task.name))
        for task in sorted(scheduled_tasks(), key=lambda task: task.name)
        if task.schedule
    ]


def seconds_since_dispatcher_tick() -> int | None:
    """Return how many seconds ago a dispatcher looked into the outbox; None: none ever has.

    Each dispatcher stores it every 5 seconds.
    """
    ticked_at = execute_select(select(DispatcherTick.ticked_at)).scalar_one_or_none()
    return seconds_overdue(ticked_at) if ticked_at else None


def _age(name: str, rule: str, row: AnyRow | None) -> ScheduleAge:
    if row is None:
        return ScheduleAge(name, rule, None, None, 0)
    since = seconds_overdue(row.last_enqueued_at) if row.last_enqueued_at else None
    return ScheduleAge(name, rule, row.next_run_at, since, seconds_overdue(row.next_run_at))


def queue_stats() -> dict[str, int]:
    """Return how many tasks are due and not begun, how many are dead, and the seconds of delay.

    Counted up to 10,000 each, for it is asked every second.
    """
    moment = now()
    is_waiting = (OutboxTask.state == WAITING) & (OutboxTask.available_at <= moment)
    due = (OutboxTask.scheduled_at <= moment) & (is_waiting | (OutboxTask.state == QUEUED))
    oldest = _oldest_by_queue(due)
    return {
        'waiting': _count(due),
        'dead': _count(OutboxTask.state == DEAD),
        # Tasks of the slow queue may wait for hours behind one that runs.
        'delay': max(seconds_overdue(at) for queue, at in oldest.items() if queue != SLOW),
    }


def _anew() -> dict[str, Any]:
    moment = now()
    return {
        'state': WAITING,
        'available_at': moment,
        'scheduled_at': moment,
        'attempts': 0,
        **leases.RELEASED,
    }


def seconds_overdue(oldest: Any) -> int:
    """Return for how many seconds something has been due, 0 where nothing is."""
    return max(0, int((now() - oldest).total_seconds())) if oldest else 0


def _oldest_by_queue(condition: Any) -> dict[str, datetime | None]:
    """Return for each queue when the oldest task that is not dead was first to be done."""
    # One lookup in the index per queue; a GROUP BY would read every row.
    undone = (OutboxTask.state != literal(DEAD, literal_execute=True)) & condition
    oldest = [
        select(OutboxTask.scheduled_at)
        .where(OutboxTask.queue == queue, undone)
        .order_by(OutboxTask.scheduled_at)
        .limit(1)
        .scalar_subquery()
        for queue in QUEUES
    ]
    row = execute_select(select(*oldest)).one()
    return dict(zip(QUEUES, row, strict=True))


def _count(where: Any) -> int:
    some = select(OutboxTask.id).where(where).limit(MAX_COUNTED_TASKS).subquery()
    return int(execute_select(select(func.count()).select_from(some)).scalar_one())


def _chosen(statement: Any, state: str | None, name: str | None) -> Any:
    if state:
        statement = statement.where(OutboxTask.state == state)
    return statement.where(OutboxTask.name == name) if name else statement


def _ensure_found(task_id: UUID, found: AnyRow | None) -> None:
    if found is None:
        raise TaskNotFound if db.session.get(OutboxTask, task_id) is None else TaskRunning


def _shown(row: AnyRow) -> dict[str, Any]:
    known = row._asdict()
    ciphertext, task = known.pop('encrypted_arguments'), find_task(row.name)
    return {**known, 'arguments': redacted_arguments(row.arguments, ciphertext, task)}
