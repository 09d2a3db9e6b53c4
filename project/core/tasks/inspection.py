"""What operators see of the outbox, and what they may do to it."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import case, delete, func, select, tuple_, update

from project.core.clock import now
from project.core.database.session import AnyRow, atomic, db, read
from project.core.errors import Conflict, NotFound

from .outbox import DEAD, RUNNING, SENT, WAITING, Entry
from .registry import find_task
from .serialization import shown

STATES = (WAITING, SENT, RUNNING, DEAD)
BATCH = 500
SHOWN = (
    Entry.id, Entry.name, Entry.state, Entry.attempts, Entry.wanted_at.label('due'),
    Entry.created_at, Entry.started_at, Entry.request_id, Entry.error, Entry.arguments,
    Entry.sealed,
)  # fmt: skip
# Depth is a sign and no account: beyond that, more is only more.
COUNTED = 10_000


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
    place = (Entry.created_at, Entry.id)
    chosen = _chosen(select(*SHOWN), state, name).order_by(*place)
    left = limit if limit is not None else float('inf')
    batch = read(chosen.limit(int(min(left, BATCH)))).all()
    while batch:
        yield from map(_shown, batch)
        left -= len(batch)
        if left <= 0:
            return
        rest = chosen.where(tuple_(*place) > (batch[-1].created_at, batch[-1].id))
        batch = read(rest.limit(int(min(left, BATCH)))).all()


def get_task(task_id: UUID) -> dict[str, Any]:
    """Return a task, secrets masked, or refuse with TaskNotFound."""
    row = read(select(*SHOWN).where(Entry.id == task_id)).one_or_none()
    if row is None:
        raise TaskNotFound
    return _shown(row)


@atomic()
def retry_task(task_id: UUID) -> None:
    """Have a task tried again now, with all attempts. Refuses one that runs or is not there."""
    again = _anew()
    one = update(Entry).where(Entry.id == task_id, Entry.state != RUNNING)
    _refuse_none(task_id, db.session.execute(one.values(**again).returning(Entry.id)).one_or_none())


@atomic()
def discard_task(task_id: UUID) -> None:
    """Forget a task undone. Refuses one that runs or is not there."""
    one = delete(Entry).where(Entry.id == task_id, Entry.state != RUNNING)
    _refuse_none(task_id, db.session.execute(one.returning(Entry.id)).one_or_none())


@atomic()
def retry_dead(name: str | None = None) -> int:
    """Have all dead letters, or those of one task, tried again. Return how many there were."""
    again = _anew()
    dead = _chosen(update(Entry), DEAD, name).values(**again).returning(Entry.id)
    return len(db.session.execute(dead).all())


@atomic()
def discard_dead(name: str | None = None) -> int:
    """Forget all dead letters, or those of one task. Return how many there were."""
    dead = _chosen(delete(Entry), DEAD, name).returning(Entry.id)
    return len(db.session.execute(dead).all())


def task_stats() -> list[AnyRow]:
    """Return per task how many are in each state, and the age in seconds of what is due longest."""
    oldest = func.min(case((Entry.state.in_((WAITING, SENT)), Entry.wanted_at)))
    counts = [func.count(case((Entry.state == state, 1))).label(state) for state in STATES]
    found = read(
        select(Entry.name, *counts, oldest.label('oldest'))
        .group_by(Entry.name)
        .order_by(Entry.name)
    )
    return list(found.all())


def backlog() -> dict[str, int]:
    """Return how many tasks are due and not begun, how many are dead, and the seconds of delay.

    Counted up to 10,000 each, for it is asked every second.
    """
    due = (Entry.wanted_at <= now()) & Entry.state.in_((WAITING, SENT))
    oldest = read(select(func.min(Entry.wanted_at)).where(due)).scalar_one()
    return {
        'waiting': _count(due),
        'dead': _count(Entry.state == DEAD),
        'delay': delay_of(oldest),
    }


def _anew() -> dict[str, Any]:
    moment = now()
    return {'state': WAITING, 'due': moment, 'wanted_at': moment, 'attempts': 0, 'lease': None}


def delay_of(oldest: Any) -> int:
    """Return for how many seconds something has been due, 0 where nothing is."""
    return max(0, int((now() - oldest).total_seconds())) if oldest else 0


def _count(where: Any) -> int:
    some = select(Entry.id).where(where).limit(COUNTED).subquery()
    return int(read(select(func.count()).select_from(some)).scalar_one())


def _chosen(statement: Any, state: str | None, name: str | None) -> Any:
    if state:
        statement = statement.where(Entry.state == state)
    return statement.where(Entry.name == name) if name else statement


def _refuse_none(task_id: UUID, found: AnyRow | None) -> None:
    if found is None:
        raise TaskNotFound if db.session.get(Entry, task_id) is None else TaskRunning


def _shown(row: AnyRow) -> dict[str, Any]:
    known = row._asdict()
    sealed, task = known.pop('sealed'), find_task(row.name)
    return {**known, 'arguments': shown(row.arguments, sealed, task)}
