"""Attempts: an attempt is one run of a task.

It has one of these results: the task is done, is retried later, or becomes a dead letter.
"""

import logging
import random
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from project.core.database.failures import CANCELED, failure_of
from project.core.metrics import Counter, Histogram
from project.core.request_context import (
    RequestContext,
    current_request_context,
    set_request_context,
)
from project.core.semaphore import SlotUnavailable

from . import leases
from .errors import IncompatibleTask, LeaseLost, PermanentFailure
from .registry import Task, exponential_backoff, find_task
from .rows import ClaimedTask
from .serialization import deserialize, redact

MAX_REASON_CHARACTERS = 2000

# Maximum number of attempts at a task that this version of the service cannot run. The number is
# not 1: during a deployment, a worker of another version may run the task.
MAX_INCOMPATIBLE_ATTEMPTS = 10

# The delay of a task that needs a slot of a concurrency limit and found none free. The actual delay
# is random: at least half of this.
SLOT_RETRY_DELAY = timedelta(seconds=0.5)
# The longest delay before the next attempt, if the database failed during an attempt.
OUTAGE_BACKOFF = timedelta(seconds=10)

DURATION = Histogram(
    'tasks_attempt_duration_seconds', 'Duration of an attempt.', ('task',), owner=__name__
)
ATTEMPTS = Counter(
    'tasks_attempts_total', 'Attempts at tasks, by outcome.', ('task', 'outcome'), owner=__name__
)

log = logging.getLogger(__name__)

Claim = Callable[[UUID], ClaimedTask | None]


@dataclass(frozen=True, slots=True)
class Attempt:
    """The current attempt at a task. `task_id` is the same in all attempts at one task."""

    task_id: UUID
    created_at: datetime
    number: int
    lease: UUID


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an attempt: the task is done, is retried later, or becomes a dead letter.

    :param status: its name in the log.
    :param apply: a function that stores the result in the outbox.
    :param reason: why the attempt failed.
    :param trace: the traceback, for the log.
    """

    status: str
    apply: Callable[[], None]
    reason: str = ''
    trace: str = ''


class Watchdog(Protocol):
    """The interface of a watchdog, which ends an attempt that exceeds its time limit."""

    def start_watch(self, task_id: UUID, limit: timedelta) -> None:
        """Start the time limit of a task."""

    def stop_watch(self) -> None:
        """End the time limit, because the task has ended. Its result is not stored yet."""


_attempt: ContextVar[Attempt | None] = ContextVar('attempt', default=None)


def current_attempt() -> Attempt | None:
    """Return the current attempt; None outside a task, for example if a task is called directly."""
    return _attempt.get()


def complete_with_transaction() -> None:
    """Mark the current task as done, in the transaction of its changes in the database.

    So the mark and the changes are both committed, or neither. Use it if these changes must not
    happen twice. It must be the first call in the `atomic` block that makes them. It does nothing
    if the function was called directly, not as a task.

    :raises LeaseLost: if another attempt at the same task has begun.
    """
    if attempt := current_attempt():
        leases.complete_in_transaction(attempt.task_id, attempt.lease)


def run_next_task(
    app: Flask, lease: UUID, watch: Watchdog, claim: Claim = leases.claim_next
) -> bool:
    """Claim a task and run it; return whether there was a task.

    If the task raises an exception, its result is a failure; the exception is not raised further.

    :param lease: the lease under which the task is claimed.
    :param watch: the watchdog, which ends an attempt that takes too long.
    :param claim: a function that claims a task under a lease; default: the next ready task.
    """
    with app.app_context():
        row = claim(lease)
    if row is None:
        return False
    task, began = find_task(row.name), time.perf_counter()
    watch.start_watch(row.id, task.time_limit if task else leases.LEASE_DURATION)
    with _request_context_of(row):
        try:
            outcome = _run_attempt(app, task, row)
        finally:
            watch.stop_watch()
        with app.app_context():
            outcome.apply()
        _log_outcome(outcome, row, time.perf_counter() - began)
    return True


def fail_leased_tasks(lease: UUID, reason: str) -> None:
    """Record a failed attempt for each task that a process left unfinished when it ended.

    The process was killed, ran out of memory, or exceeded a time limit.

    :param lease: the lease of the process, under which it had claimed the tasks.
    """
    for row in leases.leased_by(lease):
        with _request_context_of(row):
            outcome = _failed(find_task(row.name), row, reason)
            outcome.apply()
            _log_outcome(outcome, row)


def _run_attempt(app: Flask, task: Task | None, row: ClaimedTask) -> Outcome:
    """Run a claimed task and return the result."""
    arguments: dict[str, Any] = {}
    try:
        with app.app_context():
            _run(_get_runnable(task, row), row, arguments)
    except LeaseLost:
        return Outcome('lost', lambda: None)
    except SlotUnavailable:
        wait = SLOT_RETRY_DELAY * random.uniform(0.5, 1)  # noqa: S311 - no secret
        return Outcome('postponed', partial(leases.give_back, row.id, row.lease_id, wait))
    except PermanentFailure as error:
        return _dead_lettered(row, _error_text(error, task, arguments))
    except IncompatibleTask as error:
        return _failed(
            task,
            row,
            _error_text(error, task, arguments),
            max_attempts=MAX_INCOMPATIBLE_ATTEMPTS,
        )
    except (Exception, SystemExit) as error:
        reason = _error_text(error, task, arguments)
        if _is_outage(error):
            return _postponed(row, reason)
        trace = _storable(''.join(traceback.format_exception(error)), task, arguments)
        return replace(_failed(task, row, reason), trace=trace)
    return Outcome('done', partial(leases.complete, row.id, row.lease_id))


def _get_runnable(task: Task | None, row: ClaimedTask) -> Task:
    """Return the task, after checks that it may run.

    :raises IncompatibleTask: if this version of the service does not have the task.
    :raises PermanentFailure: if the task has no attempt left, because a process died in each
        attempt.
    """
    if task is None:
        raise IncompatibleTask('this version of the service does not have this task')
    if row.attempts > task.attempts:
        raise PermanentFailure(row.last_error or f'its process died {task.attempts} times')
    return task


def _run(task: Task, row: ClaimedTask, arguments: dict[str, Any]) -> None:
    """Run a task; store its arguments in the dict `arguments`.

    The caller needs them to mask secrets in an error message.
    """
    arguments.update(deserialize(task, row.arguments, row.encrypted_arguments))
    token = _attempt.set(Attempt(row.id, row.created_at, row.attempts, row.lease_id))
    try:
        task.function(**arguments)
    finally:
        _attempt.reset(token)


def _failed(
    task: Task | None, row: ClaimedTask, reason: str, max_attempts: int | None = None
) -> Outcome:
    attempts = task.attempts if task else MAX_INCOMPATIBLE_ATTEMPTS
    if row.attempts >= min(attempts, max_attempts or attempts):
        return _dead_lettered(row, reason)
    wait = (
        task.retry_delay(row.attempts)
        if task
        else exponential_backoff(timedelta(seconds=1), row.attempts)
    )
    return Outcome(
        'failed', partial(leases.retry_later, row.id, row.lease_id, reason, wait), reason
    )


def _is_outage(error: BaseException) -> bool:
    """Return whether an error means that the database failed. Such an attempt does not count.

    A canceled statement does not mean that: the task may run a query that always takes too long.
    """
    failure = failure_of(error) if isinstance(error, SQLAlchemyError) else None
    return failure is not None and failure is not CANCELED


def _postponed(row: ClaimedTask, reason: str) -> Outcome:
    wait = exponential_backoff(OUTAGE_BACKOFF, 1)
    give_back = partial(leases.give_back, row.id, row.lease_id, wait, reason=reason)
    return Outcome('postponed', give_back, reason)


def _dead_lettered(row: ClaimedTask, reason: str) -> Outcome:
    return Outcome('given up', partial(leases.dead_letter, row.id, row.lease_id, reason), reason)


@contextmanager
def _request_context_of(row: ClaimedTask) -> Iterator[None]:
    """Set the request context of a task to that of the request that has enqueued it."""
    before = current_request_context()
    set_request_context(
        RequestContext(row.request_id, user_agent='task', task_owner_id=row.owner_id)
    )
    try:
        yield
    finally:
        set_request_context(before)


def _error_text(error: BaseException, task: Task | None, arguments: dict[str, Any]) -> str:
    """Return the text of an error in the form in which the outbox stores it."""
    # This function of the standard library also works for an error whose `__str__` raises.
    text = ''.join(traceback.format_exception_only(error)).strip()
    if isinstance(error, (PermanentFailure, IncompatibleTask)):
        text = text.partition(': ')[2] or text
    return _storable(text, task, arguments)[:MAX_REASON_CHARACTERS]


def _storable(text: str, task: Task | None, arguments: dict[str, Any]) -> str:
    """Mask the secret arguments in a text, and escape characters that the database rejects."""
    redacted = redact(text, task, arguments)
    return redacted.encode(errors='backslashreplace').decode().replace('\0', '\\0')


def _log_outcome(outcome: Outcome, row: ClaimedTask, seconds: float = 0.0) -> None:
    # Any version of the service may have enqueued the task.
    name = row.name if find_task(row.name) else 'unknown'
    ATTEMPTS.increment(name, outcome.status)
    DURATION.observe(seconds, name)
    fields = {
        'task': row.name,
        'id': str(row.id),
        'attempt': row.attempts,
        'outcome': outcome.status,
    }
    fields |= {'ms': round(seconds * 1000, 2)} | (
        {'reason': outcome.reason} if outcome.reason else {}
    )
    level = {'done': logging.INFO, 'postponed': logging.INFO, 'given up': logging.ERROR}.get(
        outcome.status, logging.WARNING
    )
    log.log(
        level, 'task%s', f'\n{outcome.trace}' if outcome.trace else '', extra={'fields': fields}
    )
