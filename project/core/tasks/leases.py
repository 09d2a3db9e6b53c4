"""Leases: a lease is the time for which a process owns a task.

While the process runs the task, the dispatcher renews the lease. If the process dies, the lease
expires, and another process claims the task. So each task runs at least once. Each function here
executes one conditional statement; the changed rows show whether it succeeded.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from itertools import count
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, delete, func, select, update

from project.core.clock import now
from project.core.database.rows import select_rows
from project.core.database.session import (
    db,
    execute_in_own_transaction,
    in_atomic,
)

from .errors import LeaseLost
from .outbox import DEAD, QUEUED, RUNNING, WAITING, OutboxTask
from .queues import QueuePart, claimable_parts, mark_ready, next_ready
from .registry import QUEUES, Queue
from .rows import ClaimedTask

LEASE_DURATION = timedelta(seconds=20)
LEASE_RENEWAL_SECONDS = 5.0

# If no worker starts a task within this time after it was sent to the broker, it is sent again,
# because the broker may have lost it.
QUEUED_TIMEOUT = timedelta(seconds=30)

# The values of these columns in tasks that no process owns.
RELEASED = {'lease_id': None, 'round_number': None}

CLAIMED_COLUMNS = (
    OutboxTask.id, OutboxTask.name, OutboxTask.arguments, OutboxTask.encrypted_arguments,
    OutboxTask.attempts, OutboxTask.lease_id, OutboxTask.last_error, OutboxTask.request_id,
    OutboxTask.created_at, OutboxTask.owner_id,
)  # fmt: skip

# The number of claims of this process. A queue has parts: the tasks of each concurrency limit, and
# the tasks without one. Each claim begins with another part, so that no part waits until others are
# empty.
_claims = count()


def claim_next(lease: UUID, queues: Sequence[Queue] = QUEUES) -> ClaimedTask | None:
    """Claim the next ready task; return None if no task is ready.

    The first queue in `queues` with a ready task is used. The claim is one statement, so that
    concurrent processes get different tasks. If no task is ready, due tasks are made ready first.
    """
    return _claim_ready(lease, queues) or (_claim_ready(lease, queues) if mark_ready() else None)


def claim(task_id: UUID, lease: UUID) -> ClaimedTask | None:
    """Claim a task that the broker delivered; return None if it cannot be claimed.

    It cannot be claimed if it is done, dead, claimed by another process, or not due yet.
    """
    is_due = (OutboxTask.state == QUEUED) | (OutboxTask.available_at <= now())
    which = (OutboxTask.id == task_id) & (OutboxTask.state != DEAD) & is_due
    return _execute_claim(_claim(which), lease)


def renew(lease_ids: list[UUID]) -> None:
    """Renew leases: they expire after `LEASE_DURATION` from now."""
    mine = update(OutboxTask).where(OutboxTask.lease_id.in_(lease_ids), OutboxTask.state == RUNNING)
    renewed = {'available_at': now() + LEASE_DURATION, 'round_number': None}
    execute_in_own_transaction(mine.values(**renewed))


def complete(task_id: UUID, lease: UUID) -> None:
    """Delete a task that is done, and its secrets."""
    _apply_outcome(task_id, lease, delete(OutboxTask))


def retry_later(task_id: UUID, lease: UUID, reason: str, wait: timedelta) -> None:
    """Store that a task failed, and that its next attempt is due after a delay."""
    values = {
        'state': WAITING,
        'available_at': now() + wait,
        'last_error': reason,
        **RELEASED,
    }
    _apply_outcome(task_id, lease, update(OutboxTask).values(**values))


def give_back(task_id: UUID, lease: UUID, wait: timedelta, *, reason: str | None = None) -> None:
    """Store that a task could not run, and is due again later. The attempt does not count.

    :param reason: why the task could not run, for operators; None keeps the last reason.
    """
    values = {'state': WAITING, 'available_at': now() + wait, **RELEASED}
    if reason is not None:
        values['last_error'] = reason
    attempts = OutboxTask.attempts - 1
    _apply_outcome(task_id, lease, update(OutboxTask).values(**values, attempts=attempts))


def dead_letter(task_id: UUID, lease: UUID, reason: str) -> None:
    """Make a task a dead letter.

    It runs again only if an operator retries it, or if an equal task is enqueued.
    """
    values = {'state': DEAD, 'available_at': None, 'last_error': reason, **RELEASED}
    _apply_outcome(task_id, lease, update(OutboxTask).values(**values))


def leased_by(lease: UUID) -> list[ClaimedTask]:
    """Return the tasks that run under a lease."""
    return select_rows(ClaimedTask, select(*CLAIMED_COLUMNS).where(_is_leased_by(lease)))


def complete_in_transaction(task_id: UUID, lease: UUID) -> None:
    """Mark a task as done, in the transaction of the changes that the task makes.

    :raises RuntimeError: outside `atomic`.
    :raises LeaseLost: if another attempt at the task has begun.
    """
    if not in_atomic():
        raise RuntimeError('complete_in_transaction() outside atomic()')
    mine = (OutboxTask.id == task_id) & _is_leased_by(lease)
    for statement in (delete(OutboxTask).where(~OutboxTask.rerun_requested), _rerun()):
        completed = statement.where(mine).returning(OutboxTask.id)
        if db.session.execute(completed).one_or_none() is not None:
            return
    raise LeaseLost


def _apply_outcome(task_id: UUID, lease: UUID, statement: Any) -> None:
    """Store the result of an attempt, unless another attempt at the task has begun.

    A task that was enqueued again while it ran becomes due again, whatever the result.
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


def _claim_ready(lease: UUID, queues: Sequence[Queue]) -> ClaimedTask | None:
    parts = tuple(claimable_parts(queues, next(_claims)))
    return _execute_claim(_claim_of_parts(parts), lease)


@cache
def _claim_of_parts(parts: tuple[QueuePart, ...]) -> Any:
    """Return the statement that claims the next ready task of these parts of queues.

    A part has all tasks of a queue that need the same concurrency limit. The statement is cached,
    because building it takes longer than executing it.
    """
    # The database evaluates these subqueries in order, until one returns an id.
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


def _execute_claim(statement: Any, lease: UUID) -> ClaimedTask | None:
    moment = now()
    parameters = {'lease': lease, 'moment': moment, 'lease_end': moment + LEASE_DURATION}
    rows = execute_in_own_transaction(statement, parameters)
    return ClaimedTask._make(rows[0]) if rows else None


def _is_leased_by(lease: UUID) -> ColumnElement[bool]:
    return (OutboxTask.lease_id == lease) & (OutboxTask.state == RUNNING)
