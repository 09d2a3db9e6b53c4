"""Leases: who has which task, and until when. Every step is one statement, whose rows decide.

Whoever works on a task renews its lease; who dies does not, and when it has run out somebody else
takes the task. So each runs at least once.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select, update

from project.core.clock import now
from project.core.database.session import (
    AnyRow,
    db,
    execute_in_own_transaction,
    execute_select,
    in_atomic,
)

from .errors import LeaseLost
from .outbox import DEAD, QUEUED, RUNNING, WAITING, OutboxTask

LEASE_DURATION = timedelta(seconds=20)
LEASE_RENEWAL_SECONDS = 5.0  # seconds

# What an engine was handed and did not start by then is handed out again: it may have lost it.
QUEUED_TIMEOUT = timedelta(seconds=30)

CLAIMED_COLUMNS = (
    OutboxTask.id, OutboxTask.name, OutboxTask.arguments, OutboxTask.encrypted_arguments,
    OutboxTask.attempts, OutboxTask.lease_id, OutboxTask.last_error, OutboxTask.request_id,
    OutboxTask.created_at,
)  # fmt: skip


def claim_next(lease: UUID) -> AnyRow | None:
    """Take the task that has been due for longest, or None. Of many at once, each gets another."""
    first = _due().limit(1)
    return _claim(lease, OutboxTask.id == first.scalar_subquery())


def claim(task_id: UUID, lease: UUID) -> AnyRow | None:
    """Take the task that an engine brought, unless it is done, taken or not due again yet."""
    is_due = (OutboxTask.state == QUEUED) | (OutboxTask.available_at <= now())
    return _claim(lease, (OutboxTask.id == task_id) & (OutboxTask.state != DEAD) & is_due)


def renew(held: list[UUID]) -> None:
    """Keep what is held under these leases for another while."""
    mine = update(OutboxTask).where(OutboxTask.lease_id.in_(held), OutboxTask.state == RUNNING)
    execute_in_own_transaction(mine.values(available_at=now() + LEASE_DURATION))


def complete(task_id: UUID, lease: UUID) -> None:
    """Forget a task that is done, secrets and all."""
    _apply_outcome(task_id, lease, delete(OutboxTask))


def retry_later(task_id: UUID, lease: UUID, reason: str, wait: timedelta) -> None:
    """Give a task back for another attempt."""
    due = now() + wait
    values = {
        'state': WAITING,
        'available_at': due,
        'lease_id': None,
        'last_error': reason,
    }
    _apply_outcome(task_id, lease, update(OutboxTask).values(**values))


def dead_letter(task_id: UUID, lease: UUID, reason: str) -> None:
    """Make a dead letter of a task: only an operator, or who wants it anew, moves it from there."""
    values = {'state': DEAD, 'available_at': None, 'lease_id': None, 'last_error': reason}
    _apply_outcome(task_id, lease, update(OutboxTask).values(**values))


def leased_by(lease: UUID) -> list[AnyRow]:
    """Return what a process had when it ended."""
    return list(execute_select(select(*CLAIMED_COLUMNS).where(_is_leased_by(lease))).all())


def mark_queued(limit: int) -> list[UUID]:
    """Mark tasks that are due as given to an engine, and return their ids."""
    # Chosen once, by itself: inside the UPDATE it might be chosen again for each row.
    chosen = _due().limit(limit).cte('chosen')
    values = {'state': QUEUED, 'available_at': now() + QUEUED_TIMEOUT, 'lease_id': None}
    sent = update(OutboxTask).where(OutboxTask.id.in_(select(chosen.c.id))).values(**values)
    # In no order; whoever sends them begins with the oldest.
    rows = execute_in_own_transaction(sent.returning(OutboxTask.id, OutboxTask.scheduled_at))
    return [row.id for row in sorted(rows, key=lambda row: row.scheduled_at)]


def requeue(ids: list[UUID]) -> None:
    """Have tasks wait again that the engine did not take."""
    mine = update(OutboxTask).where(OutboxTask.id.in_(ids), OutboxTask.state == QUEUED)
    execute_in_own_transaction(mine.values(state=WAITING, available_at=now()))


def has_due_tasks() -> bool:
    """Tell whether there is something to do now."""
    return (
        execute_select(
            select(OutboxTask.id).where(OutboxTask.available_at <= now()).limit(1)
        ).first()
        is not None
    )


def complete_in_transaction(task_id: UUID, lease: UUID) -> None:
    """Forget a task in the transaction of its effect; refuses with LeaseLost who lost it."""
    if not in_atomic():
        raise RuntimeError('complete_in_transaction() outside atomic()')
    mine = (OutboxTask.id == task_id) & _is_leased_by(lease)
    for statement in (delete(OutboxTask).where(~OutboxTask.rerun_requested), _rerun()):
        settled = statement.where(mine).returning(OutboxTask.id)
        if db.session.execute(settled).one_or_none() is not None:
            return
    raise LeaseLost


def _apply_outcome(task_id: UUID, lease: UUID, statement: Any) -> None:
    """Write down what becomes of a task; nothing happens if somebody else has it.

    One that was wanted again while it ran, whatever came of that, waits for its next turn.
    """
    mine = (OutboxTask.id == task_id) & _is_leased_by(lease)
    if not execute_in_own_transaction(
        statement.where(mine, ~OutboxTask.rerun_requested).returning(OutboxTask.id)
    ):
        execute_in_own_transaction(_rerun().where(mine))


def _rerun() -> Any:
    moment = now()
    values = {
        'state': WAITING,
        'available_at': moment,
        'scheduled_at': moment,
        'attempts': 0,
        'rerun_requested': False,
    }
    return update(OutboxTask).values(**values, lease_id=None)


def _due() -> Any:
    """Return the select of what is due; rows that others are taking are passed over.

    SQLite, which has one writer, leaves the locking out by itself.
    """
    due = (
        select(OutboxTask.id)
        .where(OutboxTask.available_at <= now())
        .order_by(OutboxTask.available_at)
    )
    return due.with_for_update(skip_locked=True)


def _claim(lease: UUID, which: ColumnElement[bool]) -> AnyRow | None:
    moment = now()
    taken = update(OutboxTask).where(which).values(
        state=RUNNING,
        lease_id=lease,
        available_at=moment + LEASE_DURATION,
        started_at=moment,
        attempts=OutboxTask.attempts + 1,
    )  # fmt: skip
    rows = execute_in_own_transaction(taken.returning(*CLAIMED_COLUMNS))
    return rows[0] if rows else None


def _is_leased_by(lease: UUID) -> ColumnElement[bool]:
    return (OutboxTask.lease_id == lease) & (OutboxTask.state == RUNNING)
