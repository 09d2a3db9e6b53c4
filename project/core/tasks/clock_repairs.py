"""Repair of tasks that are postponed because a clock was wrong.

If a clock was ahead and is set back, the outbox contains times in the future. Examples are the end
of the lease of a dead process, the next attempt at a mail, and the time of a task enqueued "in
2046". Without a repair, no process would run such a task before that time.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, literal, select, update

from project.core.clock import now
from project.core.database.session import execute_in_own_transaction, execute_select

from .leases import LEASE_DURATION, QUEUED_TIMEOUT
from .outbox import DEAD, QUEUED, RUNNING, WAITING, OutboxTask
from .registry import MAX_BACKOFF, QUEUES

# The clocks of the machines that run tasks must differ by less than this.
CLOCK_TOLERANCE = timedelta(minutes=1)
MAX_ROWS_PER_REPAIR = 1000

log = logging.getLogger(__name__)


def repair_clock_jumps() -> int:
    """Reschedule tasks that a wrong clock has postponed; return their number. Idempotent.

    - A lease that ends later than any normal lease is shortened to the normal duration. If its
      process is alive, the lease is renewed before it ends.
    - An attempt that is scheduled later than the longest retry delay is due now.
    - A task that was enqueued in the future counts as enqueued now, and keeps its delay.
    """
    moment = now()
    repaired = _shorten_leases(moment) + _retry_now(moment) + _enqueue_now(moment)
    if repaired:
        log.warning('the clock was set back: %s tasks were postponed and are rescheduled', repaired)
    return repaired


def _shorten_leases(moment: datetime) -> int:
    longest = max(LEASE_DURATION, QUEUED_TIMEOUT) + CLOCK_TOLERANCE
    is_too_long = OutboxTask.available_at > moment + longest
    leased = OutboxTask.state.in_((RUNNING, QUEUED)) & is_too_long
    return _update(leased, available_at=moment + LEASE_DURATION, round_number=None)


def _retry_now(moment: datetime) -> int:
    is_retry = OutboxTask.available_at != OutboxTask.scheduled_at
    is_too_late = OutboxTask.available_at > moment + MAX_BACKOFF + CLOCK_TOLERANCE
    waits = (OutboxTask.state == WAITING) & OutboxTask.round_number.is_(None)
    return _update(waits & is_too_late & is_retry, available_at=moment)


def _enqueue_now(moment: datetime) -> int:
    latest = moment + CLOCK_TOLERANCE
    # These conditions match the partial index `ix_core_tasks_undone`, which the query uses.
    undone = (OutboxTask.state != literal(DEAD, literal_execute=True)) & (
        OutboxTask.queue.in_(QUEUES)
    )
    future = undone & (OutboxTask.scheduled_at > latest) & (OutboxTask.created_at > latest)
    at_once = future & (OutboxTask.scheduled_at <= OutboxTask.created_at)
    available_at = case((OutboxTask.state == WAITING, moment), else_=OutboxTask.available_at)
    count = _update(at_once, available_at=available_at, scheduled_at=moment, created_at=moment)
    columns = (OutboxTask.id, OutboxTask.scheduled_at, OutboxTask.created_at)
    later = select(*columns).where(future, OutboxTask.state == WAITING, OutboxTask.attempts == 0)
    for row in execute_select(later.limit(MAX_ROWS_PER_REPAIR)).all():
        due = moment + (row.scheduled_at - row.created_at)
        moved = {'available_at': due, 'scheduled_at': due, 'created_at': moment}
        count += _update((OutboxTask.id == row.id) & (OutboxTask.state == WAITING), **moved)
    return count


def _update(condition: ColumnElement[bool], **values: Any) -> int:
    changed = update(OutboxTask).where(condition).values(**values).returning(OutboxTask.id)
    return len(execute_in_own_transaction(changed))
