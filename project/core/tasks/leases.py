"""Leases: who has which task, and until when. Every step is one statement, whose rows decide.

Whoever works on a task renews its lease; who dies does not, and when it has run out somebody else
takes the task. So each runs at least once.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select, update

from project.core.clock import now
from project.core.database.session import AnyRow, db, in_atomic, read, write

from .errors import LeaseLost
from .outbox import DEAD, RUNNING, SENT, WAITING, Entry

LEASE = timedelta(seconds=20)
RENEW_EVERY = 5.0  # seconds

# What an engine was handed and did not start by then is handed out again: it may have lost it.
HANDED = timedelta(seconds=30)

TAKEN = (
    Entry.id, Entry.name, Entry.arguments, Entry.sealed, Entry.attempts, Entry.lease,
    Entry.error, Entry.request_id, Entry.created_at,
)  # fmt: skip


def claim_next(lease: UUID) -> AnyRow | None:
    """Take the task that has been due for longest, or None. Of many at once, each gets another."""
    first = _due().limit(1)
    return _claim(lease, Entry.id == first.scalar_subquery())


def claim(task_id: UUID, lease: UUID) -> AnyRow | None:
    """Take the task that an engine brought, unless it is done, taken or not due again yet."""
    is_due = (Entry.state == SENT) | (Entry.due <= now())
    return _claim(lease, (Entry.id == task_id) & (Entry.state != DEAD) & is_due)


def renew(held: list[UUID]) -> None:
    """Keep what is held under these leases for another while."""
    mine = update(Entry).where(Entry.lease.in_(held), Entry.state == RUNNING)
    write(mine.values(due=now() + LEASE))


def finish(task_id: UUID, lease: UUID) -> None:
    """Forget a task that is done, secrets and all."""
    _settle(task_id, lease, delete(Entry))


def retry_later(task_id: UUID, lease: UUID, reason: str, wait: timedelta) -> None:
    """Give a task back for another attempt."""
    due = now() + wait
    values = {'state': WAITING, 'due': due, 'wanted_at': due, 'lease': None, 'error': reason}
    _settle(task_id, lease, update(Entry).values(**values))


def bury(task_id: UUID, lease: UUID, reason: str) -> None:
    """Make a dead letter of a task: only an operator, or who wants it anew, moves it from there."""
    values = {'state': DEAD, 'due': None, 'lease': None, 'error': reason}
    _settle(task_id, lease, update(Entry).values(**values))


def held_by(lease: UUID) -> list[AnyRow]:
    """Return what a process had when it ended."""
    return list(read(select(*TAKEN).where(_held_by(lease))).all())


def hand_out(limit: int) -> list[UUID]:
    """Mark tasks that are due as given to an engine, and return their ids."""
    # Chosen once, by itself: inside the UPDATE it might be chosen again for each row.
    chosen = _due().limit(limit).cte('chosen')
    values = {'state': SENT, 'due': now() + HANDED, 'lease': None}
    sent = update(Entry).where(Entry.id.in_(select(chosen.c.id))).values(**values)
    # In no order; whoever sends them begins with the oldest.
    rows = write(sent.returning(Entry.id, Entry.wanted_at))
    return [row.id for row in sorted(rows, key=lambda row: row.wanted_at)]


def take_back(ids: list[UUID]) -> None:
    """Have tasks wait again that the engine did not take."""
    mine = update(Entry).where(Entry.id.in_(ids), Entry.state == SENT)
    write(mine.values(state=WAITING, due=now()))


def is_any_due() -> bool:
    """Tell whether there is something to do now."""
    return read(select(Entry.id).where(Entry.due <= now()).limit(1)).first() is not None


def use_up(task_id: UUID, lease: UUID) -> None:
    """Forget a task in the transaction of its effect; refuses with LeaseLost who lost it."""
    if not in_atomic():
        raise RuntimeError('use_up() outside atomic()')
    mine = (Entry.id == task_id) & _held_by(lease)
    for statement in (delete(Entry).where(~Entry.again), _again()):
        settled = statement.where(mine).returning(Entry.id)
        if db.session.execute(settled).one_or_none() is not None:
            return
    raise LeaseLost


def _settle(task_id: UUID, lease: UUID, statement: Any) -> None:
    """Write down what becomes of a task; nothing happens if somebody else has it.

    One that was wanted again while it ran, whatever came of that, waits for its next turn.
    """
    mine = (Entry.id == task_id) & _held_by(lease)
    if not write(statement.where(mine, ~Entry.again).returning(Entry.id)):
        write(_again().where(mine))


def _again() -> Any:
    moment = now()
    values = {'state': WAITING, 'due': moment, 'wanted_at': moment, 'attempts': 0, 'again': False}
    return update(Entry).values(**values, lease=None)


def _due() -> Any:
    """Return the select of what is due; rows that others are taking are passed over.

    SQLite, which has one writer, leaves the locking out by itself.
    """
    due = select(Entry.id).where(Entry.due <= now()).order_by(Entry.due)
    return due.with_for_update(skip_locked=True)


def _claim(lease: UUID, which: ColumnElement[bool]) -> AnyRow | None:
    moment = now()
    taken = update(Entry).where(which).values(
        state=RUNNING,
        lease=lease,
        due=moment + LEASE,
        started_at=moment,
        attempts=Entry.attempts + 1,
    )  # fmt: skip
    rows = write(taken.returning(*TAKEN))
    return rows[0] if rows else None


def _held_by(lease: UUID) -> ColumnElement[bool]:
    return (Entry.lease == lease) & (Entry.state == RUNNING)
