"""Leases: who has which task, and until when. Every step is one statement, whose rows decide.

Whoever works on a task renews its lease; who dies does not, and when it has run out somebody else
takes the task. So each runs at least once.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from itertools import count
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, delete, func, select, update

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
from .queues import QueuePart, claimable_parts, mark_ready, next_ready
from .registry import QUEUES, Queue

LEASE_DURATION = timedelta(seconds=20)
LEASE_RENEWAL_SECONDS = 5.0  # seconds

# What an engine was handed and did not start by then is handed out again: it may have lost it.
QUEUED_TIMEOUT = timedelta(seconds=30)

# No process has the task.
RELEASED = {'lease_id': None, 'round_number': None}

CLAIMED_COLUMNS = (
    OutboxTask.id, OutboxTask.name, OutboxTask.arguments, OutboxTask.encrypted_arguments,
    OutboxTask.attempts, OutboxTask.lease_id, OutboxTask.last_error, OutboxTask.request_id,
    OutboxTask.created_at, OutboxTask.owner_id,
)  # fmt: skip

# Claims of this process: each begins with the next part of a queue, so that the tasks of one
# concurrency limit, or those without any, do not wait for all others.
_claims = count()


def claim_next(lease: UUID, queues: Sequence[Queue] = QUEUES) -> AnyRow | None:
    """Take the next ready task of the first of these queues that has one, or return None.

    One statement, whose row decides: of many processes, each gets another task. If nothing is
    ready, due tasks are made ready first.
    """
    return _claim_ready(lease, queues) or (_claim_ready(lease, queues) if mark_ready() else None)


def claim(task_id: UUID, lease: UUID) -> AnyRow | None:
    """Take the task that an engine brought, unless it is done, taken or not due again yet."""
    is_due = (OutboxTask.state == QUEUED) | (OutboxTask.available_at <= now())
    which = (OutboxTask.id == task_id) & (OutboxTask.state != DEAD) & is_due
    return _execute_claim(_claim(which), lease)


def renew(held: list[UUID]) -> None:
    """Keep what is held under these leases for another while."""
    mine = update(OutboxTask).where(OutboxTask.lease_id.in_(held), OutboxTask.state == RUNNING)
    renewed = {'available_at': now() + LEASE_DURATION, 'round_number': None}
    execute_in_own_transaction(mine.values(**renewed))


def complete(task_id: UUID, lease: UUID) -> None:
    """Forget a task that is done, secrets and all."""
    _apply_outcome(task_id, lease, delete(OutboxTask))


def retry_later(task_id: UUID, lease: UUID, reason: str, wait: timedelta) -> None:
    """Give a task back for another attempt."""
    values = {
        'state': WAITING,
        'available_at': now() + wait,
        'last_error': reason,
        **RELEASED,
    }
    _apply_outcome(task_id, lease, update(OutboxTask).values(**values))


def give_back(task_id: UUID, lease: UUID, wait: timedelta, *, reason: str | None = None) -> None:
    """Give back a task that could not run: the attempt does not count.

    :param reason: why, if an operator should see that.
    """
    values = {'state': WAITING, 'available_at': now() + wait, **RELEASED}
    if reason is not None:
        values['last_error'] = reason
    attempts = OutboxTask.attempts - 1
    _apply_outcome(task_id, lease, update(OutboxTask).values(**values, attempts=attempts))


def dead_letter(task_id: UUID, lease: UUID, reason: str) -> None:
    """Make a dead letter of a task: only an operator, or who wants it anew, moves it from there."""
    values = {'state': DEAD, 'available_at': None, 'last_error': reason, **RELEASED}
    _apply_outcome(task_id, lease, update(OutboxTask).values(**values))


def leased_by(lease: UUID) -> list[AnyRow]:
    """Return what a process had when it ended."""
    return list(execute_select(select(*CLAIMED_COLUMNS).where(_is_leased_by(lease))).all())


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
        **RELEASED,
    }
    return update(OutboxTask).values(**values)


def _claim_ready(lease: UUID, queues: Sequence[Queue]) -> AnyRow | None:
    parts = tuple(claimable_parts(queues, next(_claims)))
    return _execute_claim(_claim_of_parts(parts), lease)


@cache
def _claim_of_parts(parts: tuple[QueuePart, ...]) -> Any:
    """Return the statement that claims the next task of these parts.

    To build it takes longer than to execute it.
    """
    # Evaluated until the first that is not null.
    first = func.coalesce(*(next_ready(part).scalar_subquery() for part in parts), None)
    return _claim(OutboxTask.id == first)


def _claim(which: ColumnElement[bool]) -> Any:
    taken = update(OutboxTask).where(which).values(
        state=RUNNING,
        lease_id=bindparam('lease'),
        available_at=bindparam('lease_end'),
        started_at=bindparam('moment'),
        attempts=OutboxTask.attempts + 1,
        round_number=None,
    )  # fmt: skip
    return taken.returning(*CLAIMED_COLUMNS)


def _execute_claim(statement: Any, lease: UUID) -> AnyRow | None:
    moment = now()
    parameters = {'lease': lease, 'moment': moment, 'lease_end': moment + LEASE_DURATION}
    rows = execute_in_own_transaction(statement, parameters)
    return rows[0] if rows else None


def _is_leased_by(lease: UUID) -> ColumnElement[bool]:
    return (OutboxTask.lease_id == lease) & (OutboxTask.state == RUNNING)
