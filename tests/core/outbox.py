"""The outbox as tests fill and read it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import time_machine
from flask import Flask
from sqlalchemy import select, update

from project.core.clock import now
from project.core.database.session import AnyRow, atomic, execute_in_own_transaction, execute_select
from project.core.tasks import broker_queues, enqueue, enqueue_at, leases, queues
from project.core.tasks.notifications import TaskNotifier, WakeupPipe
from project.core.tasks.outbox import OutboxTask


@atomic()
def enqueue_committed(function: Callable[..., Any], *args: Any, **kwargs: Any) -> UUID:
    """Enqueue a task in a transaction of its own. It is not ready before `mark_ready`."""
    return enqueue(function, *args, **kwargs)


def mark_queued(limit: int) -> list[UUID]:
    """Mark due tasks of the default queue as given to the broker."""
    queues.mark_ready()
    return broker_queues.mark_queued('default', limit, limit)


@atomic()
def enqueue_at_committed(
    moment: datetime, function: Callable[..., Any], *args: Any, **kwargs: Any
) -> UUID:
    """Enqueue a task for a moment, in a transaction of its own."""
    return enqueue_at(moment, function, *args, **kwargs)


def rows() -> list[AnyRow]:
    """Return all that is in the outbox, as it is in the database."""
    return list(
        execute_select(
            select(*OutboxTask.__table__.columns).order_by(OutboxTask.created_at, OutboxTask.id)
        ).all()
    )


def row_of(task_id: UUID) -> AnyRow:
    """Return one of them."""
    [row] = [row for row in rows() if row.id == task_id]
    return row


def change(task_id: UUID, **values: Any) -> None:
    """Make of a row what would take a deploy, or somebody else, to make of it."""
    execute_in_own_transaction(update(OutboxTask).where(OutboxTask.id == task_id).values(**values))


def mark_dead(task_id: UUID, reason: str = 'hopeless') -> None:
    """Make a dead letter of a task that is due."""
    lease = uuid4()
    assert leases.claim(task_id, lease)
    leases.dead_letter(task_id, lease, reason)


@contextmanager
def travel_forward(**length: float) -> Iterator[datetime]:
    """Be so much later for a while; nothing passes meanwhile."""
    moment = now() + timedelta(**length)
    with time_machine.travel(moment, tick=False):
        yield moment


@contextmanager
def listening(app: Flask, bell: TaskNotifier | None = None) -> Iterator[TaskNotifier]:
    """Listen to a bell, by default the application's, and hang up in the end."""
    bell = bell or app.extensions['task_notifier']
    bell.wait(0, WakeupPipe())  # The first time it only begins to listen.
    try:
        yield bell
    finally:
        if bell._listening is not None:
            bell._listening.close()
