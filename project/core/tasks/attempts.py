"""An attempt: one task run once, and what becomes of it – done, tried again later, or given up."""

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
from project.core.database.session import AnyRow
from project.core.request_context import (
    RequestContext,
    current_request_context,
    set_request_context,
)
from project.core.semaphore import SlotUnavailable

from . import leases
from .errors import IncompatibleTask, LeaseLost, PermanentFailure
from .registry import Task, exponential_backoff, find_task
from .serialization import deserialize, redact

MAX_REASON_CHARACTERS = 2000  # characters

# Attempts at what this version cannot run: a deploy may be under way, but not for ever.
MAX_INCOMPATIBLE_ATTEMPTS = 10

# The wait of a task that found no free slot, with jitter: half of it to all of it.
SLOT_RETRY_DELAY = timedelta(seconds=0.5)
# Up to the next attempt of a task during which the database failed.
OUTAGE_BACKOFF = timedelta(seconds=10)

log = logging.getLogger(__name__)

Claim = Callable[[UUID], AnyRow | None]


@dataclass(frozen=True, slots=True)
class Attempt:
    """The attempt that the work at hand is part of. `task_id` is the same in every attempt."""

    task_id: UUID
    created_at: datetime
    number: int
    lease: UUID


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended, in a word, and what writes that down."""

    status: str
    apply: Callable[[], None]
    reason: str = ''
    trace: str = ''


class Watchdog(Protocol):
    """What ends an attempt that takes too long."""

    def start_watch(self, task_id: UUID, limit: timedelta) -> None:
        """A task begins, which may take so long."""

    def stop_watch(self) -> None:
        """It has ended by itself; what is left is to write that down."""


_attempt: ContextVar[Attempt | None] = ContextVar('attempt', default=None)


def current_attempt() -> Attempt | None:
    """Return the attempt this is, or None where the function was simply called."""
    return _attempt.get()


def complete_with_transaction() -> None:
    """Have the task be done with this transaction: both happen, or neither.

    For an effect in the database that must not happen twice; call it first in the `atomic` block
    that has the effect. Refuses with LeaseLost where another attempt has the task by now. Does
    nothing where the function was simply called.
    """
    if attempt := current_attempt():
        leases.complete_in_transaction(attempt.task_id, attempt.lease)


def run_next_task(
    app: Flask, lease: UUID, watch: Watchdog, claim: Claim = leases.claim_next
) -> bool:
    """Claim a task and make an attempt at it. Return whether there was one.

    What the task raises decides what becomes of it, and is raised no further.
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
    """Count an attempt at what a process had when it ended: killed, out of memory, too slow."""
    for row in leases.leased_by(lease):
        with _request_context_of(row):
            outcome = _failed(find_task(row.name), row, reason)
            outcome.apply()
            _log_outcome(outcome, row)


def _run_attempt(app: Flask, task: Task | None, row: AnyRow) -> Outcome:
    """Run a task, and say what is to become of it."""
    arguments: dict[str, Any] = {}
    try:
        with app.app_context():
            _run(_known(task, row), row, arguments)
    except LeaseLost:
        return Outcome('lost', lambda: None)
    except SlotUnavailable:
        wait = SLOT_RETRY_DELAY * random.uniform(0.5, 1)  # noqa: S311 - no secret
        return Outcome('postponed', partial(leases.give_back, row.id, row.lease_id, wait))
    except PermanentFailure as refusal:
        return _dead_lettered(row, _said(refusal, task, arguments))
    except IncompatibleTask as misfit:
        return _failed(task, row, _said(misfit, task, arguments), most=MAX_INCOMPATIBLE_ATTEMPTS)
    except (Exception, SystemExit) as error:
        reason = _said(error, task, arguments)
        if _is_outage(error):
            return _postponed(row, reason)
        trace = _storable(''.join(traceback.format_exception(error)), task, arguments)
        return replace(_failed(task, row, reason), trace=trace)
    return Outcome('done', partial(leases.complete, row.id, row.lease_id))


def _known(task: Task | None, row: AnyRow) -> Task:
    """Return the task, or refuse what nobody knows and give up what killed too many processes."""
    if task is None:
        raise IncompatibleTask('this version of the service knows no such task')
    if row.attempts > task.attempts:
        raise PermanentFailure(row.last_error or f'{task.attempts} times its process died')
    return task


def _run(task: Task, row: AnyRow, arguments: dict[str, Any]) -> None:
    """Run a task; `arguments` is filled, so that whoever catches what it raises knows them."""
    arguments.update(deserialize(task, row.arguments, row.encrypted_arguments))
    token = _attempt.set(Attempt(row.id, row.created_at, row.attempts, row.lease_id))
    try:
        task.function(**arguments)
    finally:
        _attempt.reset(token)


def _failed(task: Task | None, row: AnyRow, reason: str, most: int | None = None) -> Outcome:
    attempts = task.attempts if task else MAX_INCOMPATIBLE_ATTEMPTS
    if row.attempts >= min(attempts, most or attempts):
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
    """Return whether the database failed, which is no verdict on the task.

    A canceled statement may be the task's fault: a query that always takes too long.
    """
    failure = failure_of(error) if isinstance(error, SQLAlchemyError) else None
    return failure is not None and failure is not CANCELED


def _postponed(row: AnyRow, reason: str) -> Outcome:
    wait = exponential_backoff(OUTAGE_BACKOFF, 1)
    give_back = partial(leases.give_back, row.id, row.lease_id, wait, reason=reason)
    return Outcome('postponed', give_back, reason)


def _dead_lettered(row: AnyRow, reason: str) -> Outcome:
    return Outcome('given up', partial(leases.dead_letter, row.id, row.lease_id, reason), reason)


@contextmanager
def _request_context_of(row: AnyRow) -> Iterator[None]:
    """Say that what happens now comes from the request that enqueued the task."""
    before = current_request_context()
    set_request_context(
        RequestContext(row.request_id, user_agent='task', task_owner_id=row.owner_id)
    )
    try:
        yield
    finally:
        set_request_context(before)


def _said(error: BaseException, task: Task | None, arguments: dict[str, Any]) -> str:
    """Return what an error says, in one line."""
    # It also knows what to do with an error that fails to say anything.
    said = ''.join(traceback.format_exception_only(error)).strip()
    if isinstance(error, (PermanentFailure, IncompatibleTask)):
        said = said.partition(': ')[2] or said
    return _storable(said, task, arguments)[:MAX_REASON_CHARACTERS]


def _storable(text: str, task: Task | None, arguments: dict[str, Any]) -> str:
    """Return a text without secrets, and without what a database does not take."""
    shown = redact(text, task, arguments)
    return shown.encode(errors='backslashreplace').decode().replace('\0', '\\0')


def _log_outcome(outcome: Outcome, row: AnyRow, seconds: float = 0.0) -> None:
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
