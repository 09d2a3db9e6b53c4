"""Helpers that fill and read the outbox."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from flask import Flask
from sqlalchemy import select, update

from project.core.database.session import AnyRow, atomic, execute_in_own_transaction, execute_select
from project.core.tasks import broker_queues, enqueue, enqueue_at, leases, queues
from project.core.tasks.notifications import TaskNotifier, WakeupPipe
from project.core.tasks.outbox import OutboxTask


@atomic()
def enqueue_committed(function: Callable[..., Any], *args: Any, **kwargs: Any) -> UUID:
    """Enqueue a task in its own transaction. No worker can claim it before `mark_ready`."""
    return enqueue(function, *args, **kwargs)


def mark_queued(limit: int) -> list[UUID]:
    """Mark at most `limit` due tasks of the default queue as sent to the broker."""
    queues.mark_ready()
    return broker_queues.mark_queued('default', limit, limit)


@atomic()
def enqueue_at_committed(
    moment: datetime, function: Callable[..., Any], *args: Any, **kwargs: Any
) -> UUID:
    """Enqueue a task for a given time, in its own transaction."""
    return enqueue_at(moment, function, *args, **kwargs)


def rows() -> list[AnyRow]:
    """Return all rows of the outbox, without interpretation of their values."""
    return list(
        execute_select(
            select(*OutboxTask.__table__.columns).order_by(OutboxTask.created_at, OutboxTask.id)
        ).all()
    )


def row_of(task_id: UUID) -> AnyRow:
    """Return the row of the task with this id."""
    [row] = [row for row in rows() if row.id == task_id]
    return row


def change(task_id: UUID, **values: Any) -> None:
    """Change columns of a task directly, as an older release or another worker might."""
    execute_in_own_transaction(update(OutboxTask).where(OutboxTask.id == task_id).values(**values))


def mark_dead(task_id: UUID, reason: str = 'hopeless') -> None:
    """Make a dead letter of a due task."""
    lease = uuid4()
    assert leases.claim(task_id, lease)
    leases.dead_letter(task_id, lease, reason)


@contextmanager
def listening(app: Flask, notifier: TaskNotifier | None = None) -> Iterator[TaskNotifier]:
    """Listen for task notifications until the end of the block.

    :param notifier: by default, the notifier of the application.
    """
    notifier = notifier or app.extensions['task_notifier']
    notifier.wait(0, WakeupPipe())  # The first call only starts to listen.
    try:
        yield notifier
    finally:
        if notifier._listening is not None:
            notifier._listening.close()
