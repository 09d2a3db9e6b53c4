"""Queues: the order in which due tasks run. The tasks of all owners are served equally.

The owner of a task is the user for whom it runs. A queue runs in rounds; a round has one task of
each owner (start-time fair queueing). When a task is due, it gets a round number and is then called
ready. The number is one more than the highest number of its owner's ready tasks, but at least that
of the current round. The ready task with the lowest number runs next. One index lookup finds it,
whatever the number of waiting tasks.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import aliased

from project.core.clock import now
from project.core.database.session import db, execute_in_own_transaction, execute_select
from project.core.database.types import UTCDateTime

from .outbox import WAITING, OutboxTask
from .registry import DEFAULT, QUEUES, Queue, registered_slots

# Maximum rows of one UPDATE. On SQLite, such an UPDATE blocks all other writers for about 30 ms.
MAX_ROWS_PER_STATEMENT = 1000
MAX_STATEMENTS_PER_CALL = 50


class QueuePart(NamedTuple):
    """A part of a queue: the tasks that need a slot of the concurrency limit `slot`.

    If `slot` is empty, these are the tasks without a concurrency limit.
    """

    queue: Queue
    slot: str


def claimable_parts(queues: Sequence[Queue] = QUEUES, rotation: int = 0) -> list[QueuePart]:
    """Return the parts of the given queues whose tasks can run now, in the order of the queues.

    If a concurrency limit has no free slot, its parts are left out: their tasks stay in the outbox,
    and the worker runs others.

    :param rotation: the number of the part with which each queue begins. If a caller increments it
        with each call, all parts of a queue are served equally.
    """
    slots = registered_slots()
    is_free = {name: slot.is_free() for found in slots.values() for name, slot in found.items()}
    return [
        QueuePart(queue, name)
        for queue in queues
        for name in _rotated(['', *sorted(slots.get(queue, {}))], rotation)
        if is_free.get(name, True)
    ]


def mark_ready() -> int:
    """Assign round numbers to due tasks; return how many tasks got one, at most 1,000.

    Idempotent. Several processes may call it at the same time: each updates different rows.
    """
    moment = {'moment': now()}
    if not execute_select(_any_due(), moment).scalar_one():
        return 0
    statement = _mark_ready(db.session.get_bind().dialect.name, MAX_ROWS_PER_STATEMENT)
    return len(execute_in_own_transaction(statement, moment))


@cache
def _any_due() -> Any:
    return select(exists().where(_is_due(bindparam('moment', type_=UTCDateTime()))))


@cache
def _mark_ready(dialect: str, max_rows: int) -> Any:
    """Return the statement that assigns round numbers to due tasks.

    It is cached, because building it takes longer than executing it.
    """
    due = (
        select(
            OutboxTask.id,
            OutboxTask.queue,
            OutboxTask.slot,
            OutboxTask.owner_id,
            OutboxTask.available_at,
        )
        .where(_is_due(bindparam('moment', type_=UTCDateTime())))
        .order_by(OutboxTask.available_at)
        .limit(max_rows)
        # SQLAlchemy omits this clause on SQLite, where only one transaction writes at a time.
        .with_for_update(skip_locked=True)
        .cte('due')
    )
    place = func.row_number().over(
        partition_by=(due.c.queue, due.c.slot, due.c.owner_id), order_by=due.c.available_at
    )
    round_number = _first_free_round(due, dialect) + place - 1
    numbered = select(due.c.id, round_number.label('round_number')).cte('numbered')
    ready = update(OutboxTask).where(OutboxTask.id == numbered.c.id)
    return ready.values(round_number=numbered.c.round_number).returning(OutboxTask.id)


def next_ready(part: QueuePart) -> Select[UUID]:
    """Return the SELECT of the id of the next ready task of a queue part.

    The statement has the parameter `moment`, the current time. It skips rows that other processes
    are claiming.
    """
    return (
        select(OutboxTask.id)
        .where(is_ready_in(part, bindparam('moment', type_=UTCDateTime())))
        .order_by(OutboxTask.round_number, OutboxTask.available_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def mark_all_ready() -> list[Queue]:
    """Assign round numbers to all due tasks; return the queues that have ready tasks.

    If no task is due, this takes one SELECT. It handles at most 50,000 tasks, so that the
    dispatcher can renew leases in time.
    """
    is_due, ready = _find_ready_queues()
    if not is_due:
        return ready
    for _ in range(MAX_STATEMENTS_PER_CALL):
        if mark_ready() < MAX_ROWS_PER_STATEMENT:
            break
    return _find_ready_queues()[1]


def reset_unknown_parts() -> int:
    """Reset the queue and the concurrency limit of tasks if this version does not know them.

    Another version of the service has declared them, so no worker of this version would claim these
    tasks.

    :returns: the number of changed tasks.
    """
    known = or_(*(_is_in(part) for part in _all_parts()))
    queue = case((OutboxTask.queue.in_(QUEUES), OutboxTask.queue), else_=DEFAULT)
    moved = update(OutboxTask).where(~known)
    moved = moved.values(queue=queue, slot='', round_number=None).returning(OutboxTask.id)
    return len(execute_in_own_transaction(moved))


def _find_ready_queues() -> tuple[bool, list[Queue]]:
    """Return whether a due task has no round number yet, and the queues with ready tasks."""
    is_ready = OutboxTask.round_number.is_not(None)
    found = [exists().where(OutboxTask.queue == queue, is_ready).label(queue) for queue in QUEUES]
    is_due, *ready = execute_select(
        select(exists().where(_is_due(now())).label('due'), *found)
    ).one()
    return is_due, [queue for queue, is_there in zip(QUEUES, ready, strict=True) if is_there]


def _rotated(names: list[str], rotation: int) -> list[str]:
    start = rotation % len(names)
    return names[start:] + names[:start]


def _is_due(moment: Any) -> ColumnElement[bool]:
    is_due: ColumnElement[bool] = OutboxTask.available_at <= moment
    return OutboxTask.round_number.is_(None) & is_due


def _all_parts() -> list[QueuePart]:
    slots = registered_slots()
    return [QueuePart(queue, name) for queue in QUEUES for name in ('', *slots.get(queue, {}))]


def _is_in(part: QueuePart) -> ColumnElement[bool]:
    return (OutboxTask.queue == part.queue) & (OutboxTask.slot == part.slot)


def is_ready_in(part: QueuePart, moment: Any) -> ColumnElement[bool]:
    """Return an SQL condition: a task belongs to a queue part and is ready at a moment."""
    # Also check the state: the previous release of the service keeps the round number of running
    # tasks.
    is_free = (OutboxTask.state == WAITING) | (OutboxTask.available_at <= moment)
    is_ready: ColumnElement[bool] = _is_in(part) & OutboxTask.round_number.is_not(None) & is_free
    return is_ready


def _first_free_round(due: CTE, dialect: str) -> Any:
    """Return SQL for the round number that the first due task of an owner gets."""
    ready = aliased(OutboxTask)
    round_number = ready.round_number
    in_part = (ready.queue == due.c.queue) & (ready.slot == due.c.slot) & round_number.is_not(None)
    current = select(func.min(round_number)).where(in_part)
    last = select(func.max(round_number)).where(in_part, ready.owner_id == due.c.owner_id)
    greatest = func.max if dialect == 'sqlite' else func.greatest
    return greatest(
        func.coalesce(current.scalar_subquery(), 0),
        func.coalesce(last.scalar_subquery() + 1, 0),
    )
