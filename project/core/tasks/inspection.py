"""Functions with which operators inspect and change the outbox."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import case, delete, func, literal, select, tuple_, update

from project.core.clock import now
from project.core.database.rows import select_row, select_rows
from project.core.database.session import atomic, db, execute_select
from project.core.errors import Conflict, NotFound

from . import leases
from .outbox import DEAD, QUEUED, RUNNING, WAITING, OutboxTask
from .periodic import DispatcherTick, Schedule
from .registry import QUEUES, SLOW, find_task, scheduled_tasks
from .rows import InspectedTask, ScheduleRow, TaskStats
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
# Counting stops at this number, because operators need no exact number above it.
MAX_COUNTED_TASKS = 10_000


class TaskNotFound(NotFound):
    """The task does not exist: the id is wrong, or the task was done and deleted."""

    field, reason = 'task', 'No such task: tasks are deleted when they are done'


class TaskRunning(Conflict):
    """A worker runs the task now, so it cannot be changed."""

    field, reason = 'task', 'The task is running: wait, or end its process'


def list_tasks(
    *, state: str | None = None, name: str | None = None, limit: int | None = None
) -> Iterator[dict[str, object]]:
    """Yield the tasks that are not done, oldest first; secrets are masked."""
    sort_key = (OutboxTask.created_at, OutboxTask.id)
    chosen = _filtered(select(*INSPECTED_COLUMNS), state, name).order_by(*sort_key)
    left = limit if limit is not None else float('inf')
    batch = select_rows(InspectedTask, chosen.limit(int(min(left, BATCH_ROWS))))
    while batch:
        yield from map(_to_dict, batch)
        left -= len(batch)
        if left <= 0:
            return
        rest = chosen.where(tuple_(*sort_key) > (batch[-1].created_at, batch[-1].id))
        batch = select_rows(InspectedTask, rest.limit(int(min(left, BATCH_ROWS))))


def get_task(task_id: UUID) -> dict[str, object]:
    """Return a task with its arguments. Secret arguments are masked.

    :raises TaskNotFound: if it does not exist.
    """
    row = select_row(InspectedTask, select(*INSPECTED_COLUMNS).where(OutboxTask.id == task_id))
    if row is None:
        raise TaskNotFound
    return _to_dict(row)


@atomic()
def retry_task(task_id: UUID) -> None:
    """Make a task due now, and reset its number of attempts.

    :raises TaskNotFound: if it does not exist.
    :raises TaskRunning: if it is running.
    """
    values = _reset_values()
    one = update(OutboxTask).where(OutboxTask.id == task_id, OutboxTask.state != RUNNING)
    _ensure_found(
        task_id, db.session.execute(one.values(**values).returning(OutboxTask.id)).one_or_none()
    )


@atomic()
def delete_task(task_id: UUID) -> None:
    """Delete a task without running it.

    :raises TaskNotFound: if it does not exist.
    :raises TaskRunning: if it is running.
    """
    one = delete(OutboxTask).where(OutboxTask.id == task_id, OutboxTask.state != RUNNING)
    _ensure_found(task_id, db.session.execute(one.returning(OutboxTask.id)).one_or_none())


@atomic()
def retry_dead_tasks(name: str | None = None) -> int:
    """Make all dead letters due now, or only those with a task name; return their number."""
    values = _reset_values()
    dead = _filtered(update(OutboxTask), DEAD, name).values(**values).returning(OutboxTask.id)
    return len(db.session.execute(dead).all())


@atomic()
def delete_dead_tasks(name: str | None = None) -> int:
    """Delete all dead letters, or only those with a task name; return their number."""
    dead = _filtered(delete(OutboxTask), DEAD, name).returning(OutboxTask.id)
    return len(db.session.execute(dead).all())


def task_stats() -> list[TaskStats]:
    """Return the number of tasks by name and state.

    `oldest` is the earliest `scheduled_at` of the waiting and queued tasks with the same name.
    """
    oldest = func.min(case((OutboxTask.state.in_((WAITING, QUEUED)), OutboxTask.scheduled_at)))
    counts = [func.count(case((OutboxTask.state == state, 1))).label(state) for state in STATES]
    stats = select(OutboxTask.name, *counts, oldest.label('oldest'))
    return select_rows(TaskStats, stats.group_by(OutboxTask.name).order_by(OutboxTask.name))


def oldest_waiting_by_queue() -> dict[str, int]:
    """Return, for each queue, the age in seconds of its oldest undone task; 0 without one.

    Waiting and running tasks count, and those that wait for another attempt. Dead letters and tasks
    that are scheduled for later do not count. The age is the time since the task was first due: a
    mail that has failed for an hour is an hour old, whenever its next attempt is due.
    """
    moment = now()
    oldest = _oldest_by_queue(OutboxTask.scheduled_at <= moment)
    return {queue: seconds_overdue(found) for queue, found in oldest.items()}


@dataclass(frozen=True, slots=True)
class ScheduleAge:
    """The times since the last run of a schedule, and since its next run was due.

    :param seconds_since_enqueued: None if the schedule has not run since its row was created.
    :param seconds_overdue: seconds since the schedule should have run; 0 if it is not due.
    """

    name: str
    rule: str
    next_run_at: datetime | None
    seconds_since_enqueued: int | None
    seconds_overdue: int


def schedule_ages() -> list[ScheduleAge]:
    """Return a `ScheduleAge` for each schedule of this version, sorted by name.

    If a schedule has no row, no dispatcher has processed it yet.
    """
    rows = select(Schedule.name, Schedule.next_run_at, Schedule.last_enqueued_at)
    found = {row.name: row for row in select_rows(ScheduleRow, rows)}
    return [
        _age(task.name, task.schedule.rule, found.get(task.name))
        for task in sorted(scheduled_tasks(), key=lambda task: task.name)
        if task.schedule
    ]


def seconds_since_dispatcher_tick() -> int | None:
    """Return the seconds since a dispatcher last stored a tick; None if none ever did.

    Each dispatcher stores a tick, the current time, every 5 seconds.
    """
    ticked_at = execute_select(select(DispatcherTick.ticked_at)).scalar_one_or_none()
    return seconds_overdue(ticked_at) if ticked_at else None


def _age(name: str, rule: str, row: ScheduleRow | None) -> ScheduleAge:
    if row is None:
        return ScheduleAge(name, rule, None, None, 0)
    since = seconds_overdue(row.last_enqueued_at) if row.last_enqueued_at else None
    return ScheduleAge(name, rule, row.next_run_at, since, seconds_overdue(row.next_run_at))


def queue_stats() -> dict[str, int]:
    """Return the number of waiting tasks, the number of dead letters, and the delay in seconds.

    A task counts as waiting if it is due but not started. The delay is the time since the oldest of
    them was due. The health check calls this every 2 seconds, so counting stops at 10,000 tasks of
    each kind.
    """
    moment = now()
    is_waiting = (OutboxTask.state == WAITING) & (OutboxTask.available_at <= moment)
    due = (OutboxTask.scheduled_at <= moment) & (is_waiting | (OutboxTask.state == QUEUED))
    oldest = _oldest_by_queue(due)
    return {
        'waiting': _count(due),
        'dead': _count(OutboxTask.state == DEAD),
        # Tasks of the queue `slow` are not included: they may wait for hours behind a running task.
        'delay': max(seconds_overdue(at) for queue, at in oldest.items() if queue != SLOW),
    }


def _reset_values() -> dict[str, Any]:
    moment = now()
    return {
        'state': WAITING,
        'available_at': moment,
        'scheduled_at': moment,
        'attempts': 0,
        **leases.RELEASED,
    }


def seconds_overdue(oldest: Any) -> int:
    """Return the seconds since `oldest`, the due time of a task; 0 if None or in the future."""
    return max(0, int((now() - oldest).total_seconds())) if oldest else 0


def _oldest_by_queue(condition: Any) -> dict[str, datetime | None]:
    """Return, for each queue, the earliest `scheduled_at` of the matching tasks.

    Dead letters are not included.
    """
    # One index lookup per queue; a GROUP BY would read every row.
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


def _filtered(statement: Any, state: str | None, name: str | None) -> Any:
    if state:
        statement = statement.where(OutboxTask.state == state)
    return statement.where(OutboxTask.name == name) if name else statement


def _ensure_found(task_id: UUID, found: object) -> None:
    if found is None:
        raise TaskNotFound if db.session.get(OutboxTask, task_id) is None else TaskRunning


def _to_dict(row: InspectedTask) -> dict[str, object]:
    values = row._asdict()
    ciphertext, task = values.pop('encrypted_arguments'), find_task(row.name)
    return {**values, 'arguments': redacted_arguments(row.arguments, ciphertext, task)}
