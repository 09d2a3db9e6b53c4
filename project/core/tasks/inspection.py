"""What operators see of the outbox, and what they may do to it."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import case, delete, func, select, tuple_, update

from project.core.clock import now
from project.core.database.session import AnyRow, atomic, db, execute_select
from project.core.errors import Conflict, NotFound

from .outbox import DEAD, QUEUED, RUNNING, WAITING, OutboxTask
from .registry import find_task
from .serialization import redacted_arguments

STATES = (WAITING, QUEUED, RUNNING, DEAD)
BATCH_ROWS = 500
INSPECTED_COLUMNS = (
    OutboxTask.id, OutboxTask.name, OutboxTask.state, OutboxTask.attempts,
    OutboxTask.scheduled_at.label('due'), OutboxTask.created_at, OutboxTask.started_at,
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


def queue_stats() -> dict[str, int]:
    """Return how many tasks are due and not begun, how many are dead, and the seconds of delay.

    Counted up to 10,000 each, for it is asked every second.
    """
    due = (OutboxTask.scheduled_at <= now()) & OutboxTask.state.in_((WAITING, QUEUED))
    oldest = execute_select(select(func.min(OutboxTask.scheduled_at)).where(due)).scalar_one()
    return {
        'waiting': _count(due),
        'dead': _count(OutboxTask.state == DEAD),
        'delay': seconds_overdue(oldest),
    }


def _anew() -> dict[str, Any]:
    moment = now()
    return {
        'state': WAITING,
        'available_at': moment,
        'scheduled_at': moment,
        'attempts': 0,
        'lease_id': None,
    }


def seconds_overdue(oldest: Any) -> int:
    """Return for how many seconds something has been due, 0 where nothing is."""
    return max(0, int((now() - oldest).total_seconds())) if oldest else 0


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
