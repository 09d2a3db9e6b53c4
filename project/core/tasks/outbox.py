"""The outbox: what is to be done later, written down in the transaction that wants it done.

A row is there until its task is done: waiting, handed to an engine, running, or given up.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ParamSpec
from uuid import UUID, uuid4

from flask import current_app
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    case,
    delete,
    exists,
    func,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from project.core.clock import now
from project.core.database.encrypted_columns import register_encrypted_column
from project.core.database.session import Base, after_commit, db, execute_select, in_atomic
from project.core.database.types import UTCDateTime
from project.core.database.upsert import upsert
from project.core.request_context import current_request_context

from .notifications import CHANNEL, TaskNotifier
from .registry import DEFAULT, require_task
from .serialization import ENCRYPTION_PURPOSE, NO_OWNER, owner_of, serialize, subject_of, unique_key

P = ParamSpec('P')

WAITING, QUEUED, RUNNING, DEAD = 'waiting', 'queued', 'running', 'dead'


def where(condition: str) -> dict[str, Any]:
    """Return the arguments that make an index partial on both databases."""
    return {'sqlite_where': text(condition), 'postgresql_where': text(condition)}


class OutboxTask(Base):
    """A task to be done. Deleted when it is, and its secrets with it."""

    __tablename__ = 'core_tasks'
    __table_args__ = (
        UniqueConstraint('name', 'unique_key'),
        Index('ix_core_tasks_not_ready', 'available_at', **where('round_number IS NULL')),
        Index(
            'ix_core_tasks_ready', 'queue', 'slot', 'round_number', 'available_at',
            **where('round_number IS NOT NULL'),
        ),
        Index('ix_core_tasks_owner', 'queue', 'slot', 'owner_id', 'round_number'),
        Index('ix_core_tasks_undone', 'queue', 'scheduled_at', **where("state <> 'dead'")),
        Index(None, 'state'),
        Index(None, 'subject_id'),
    )  # fmt: skip

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str] = mapped_column(String(128))
    arguments: Mapped[str] = mapped_column(Text)
    encrypted_arguments: Mapped[bytes | None] = mapped_column(LargeBinary)
    # Of all that are the same, one is here.
    unique_key: Mapped[str | None] = mapped_column(String(64))
    # The user whom it is about: what waits of theirs goes with them.
    subject_id: Mapped[int | None] = mapped_column()
    queue: Mapped[str] = mapped_column(String(8), server_default=DEFAULT)
    # The concurrency limit that it needs a slot of; empty: none.
    slot: Mapped[str] = mapped_column(String(32), server_default='')
    # Whose share of the queue it takes: a user, the service (0) or an operator (-1).
    owner_id: Mapped[int] = mapped_column(server_default='0')
    # In each round the queue runs one task of each owner. None: not due, or under way.
    round_number: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(8), default=WAITING)
    attempts: Mapped[int] = mapped_column(default=0)
    # It was enqueued once more while it ran, and what it then read may have been too old.
    rerun_requested: Mapped[bool] = mapped_column(default=False)
    # When it was first to be done, whatever failed since; and when it may be taken, which for what
    # is under way is when its lease expires. Never, if dead.
    scheduled_at: Mapped[datetime] = mapped_column(UTCDateTime)
    available_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Which process has it.
    lease_id: Mapped[UUID | None] = mapped_column()
    last_error: Mapped[str | None] = mapped_column(Text)
    request_id: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


# Dead letters, too: an operator may retry them.
register_encrypted_column(
    'secrets of waiting tasks',
    OutboxTask.encrypted_arguments,
    purpose=ENCRYPTION_PURPOSE,
    used_in=serialize.__module__,
)


def enqueue(function: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> UUID:
    """Have a task done once this transaction is committed, and never if it is not. Return its id.

    Costs one INSERT. Where the task is `unique` and the same one is there already, that one is
    enough: it runs after this transaction, once more if it runs just now, and anew if it was dead.
    Refuses to be called outside `atomic`, functions that are no task, and arguments that are no
    JSON (TypeError) or more than 64 KiB of it (ValueError).
    """
    return _insert(now(), function, args, kwargs)


def enqueue_at(
    moment: datetime, function: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs
) -> UUID:
    """As `enqueue`, but not before a moment: for reminders."""
    return _insert(moment, function, args, kwargs)


def is_pending(task_id: Any) -> ColumnElement[bool]:
    """Return the condition that a task waits or runs: neither done, nor given up, nor discarded."""
    return exists().where(OutboxTask.id == task_id, OutboxTask.state != DEAD)


def gave_up_since(task_id: Any, moment: datetime) -> ColumnElement[bool]:
    """Return the condition that a task is a dead letter whose last attempt began after a moment."""
    return exists().where(
        OutboxTask.id == task_id, OutboxTask.state == DEAD, OutboxTask.started_at > moment
    )


def count_pending(function: Callable[..., Any], owner_id: int, limit: int) -> int:
    """Return how many tasks of an owner wait or run, at most `limit`."""
    task = require_task(function)
    pending = select(OutboxTask.id).where(
        OutboxTask.queue == task.queue,
        OutboxTask.slot == (task.slot.name if task.slot else ''),
        OutboxTask.owner_id == owner_id,
        OutboxTask.name == task.name,
        OutboxTask.state != DEAD,
    )
    counted = select(func.count()).select_from(pending.limit(limit).subquery())
    return int(execute_select(counted).scalar_one())


def delete_tasks_of_subject(user_id: int) -> None:
    """Delete the tasks about a user, and their id from the others that took their share.

    Inside `atomic`. Rows that other transactions lock are of tasks that are about to be done.
    """
    db.session.execute(delete(OutboxTask).where(OutboxTask.subject_id == user_id))
    owned = select(OutboxTask.id).where(OutboxTask.owner_id == user_id)
    free = OutboxTask.id.in_(owned.with_for_update(skip_locked=True))
    db.session.execute(update(OutboxTask).where(free).values(owner_id=NO_OWNER))


def _insert(
    due: datetime, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> UUID:
    if not in_atomic():
        raise RuntimeError('enqueue() outside atomic()')
    task = require_task(function)
    arguments, ciphertext = serialize(task, args, kwargs)
    # A task that a task enqueues takes the same share, also that of the service (0).
    inherited = current_request_context().task_owner_id
    values = {
        'id': uuid4(),
        'name': task.name,
        'arguments': arguments,
        'encrypted_arguments': ciphertext,
        'unique_key': unique_key(task, arguments),
        'subject_id': subject_of(task, arguments),
        'queue': task.queue,
        'slot': task.slot.name if task.slot else '',
        'owner_id': owner_of(task, arguments) if inherited is None else inherited,
        'scheduled_at': due,
        'available_at': due,
        'request_id': current_request_context().request_id,
    }
    notifier: TaskNotifier = current_app.extensions['task_notifier']
    change = _sooner(values, func.least if notifier.is_in_database else func.min)
    # To touch the one that is there locks it: it will not run before what is written here is seen.
    insert = upsert(OutboxTask, values, conflict=('name', 'unique_key'), change=change)
    if notifier.is_in_database:
        # In the same statement, and heard when the transaction is committed.
        insert = insert.returning(OutboxTask.id, func.pg_notify(CHANNEL, ''))
    else:
        insert = insert.returning(OutboxTask.id)
        after_commit(notifier.notify)
    found: UUID = db.session.execute(insert).one()[0]
    return found


def _sooner(wanted: dict[str, Any], least: Any) -> dict[str, Any]:
    """Return what becomes of a task that is there already when the same one is wanted."""
    moment = literal(wanted['available_at'], UTCDateTime)
    is_dead, is_under_way = OutboxTask.state == DEAD, OutboxTask.state.in_((RUNNING, QUEUED))
    due = case(
        (is_under_way, OutboxTask.available_at),
        (is_dead, moment),
        else_=least(OutboxTask.available_at, moment),
    )
    renewed = {
        name: case((is_dead, wanted[name]), else_=getattr(OutboxTask, name))
        for name in ('queue', 'slot', 'owner_id')
    }
    return {
        **renewed,
        'state': case((is_dead, WAITING), else_=OutboxTask.state),
        'attempts': case((is_dead, 0), else_=OutboxTask.attempts),
        # It may have died of what it was given.
        'arguments': case((is_dead, wanted['arguments']), else_=OutboxTask.arguments),
        'encrypted_arguments': case(
            (is_dead, literal(wanted['encrypted_arguments'], LargeBinary)),
            else_=OutboxTask.encrypted_arguments,
        ),
        'rerun_requested': OutboxTask.rerun_requested | (OutboxTask.state == RUNNING),
        'scheduled_at': case((is_dead, moment), else_=least(OutboxTask.scheduled_at, moment)),
        'available_at': due,
    }
