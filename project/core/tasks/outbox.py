"""The outbox: the table of tasks. A task is inserted in the transaction that enqueues it.

Its row exists until the task is done. In the meantime, the task is waiting, queued in the broker,
running, or dead (a dead letter).
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ParamSpec
from uuid import UUID, uuid4

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
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from project.core.clock import now
from project.core.database.cached_statements import cached_statement, execute_write
from project.core.database.encrypted_columns import register_encrypted_column
from project.core.database.session import Base, after_commit, db, execute_select, in_atomic
from project.core.database.types import UTCDateTime
from project.core.database.upsert import new_row, upsert
from project.core.request_context import current_request_context

from .notifications import CHANNEL, TASK_NOTIFIER
from .registry import DEFAULT, require_task
from .serialization import ENCRYPTION_PURPOSE, NO_OWNER, owner_of, serialize, subject_of, unique_key

P = ParamSpec('P')

WAITING, QUEUED, RUNNING, DEAD = 'waiting', 'queued', 'running', 'dead'


def _where(condition: str) -> dict[str, Any]:
    """Return the arguments of `Index` that make an index partial on SQLite and PostgreSQL."""
    return {'sqlite_where': text(condition), 'postgresql_where': text(condition)}


class OutboxTask(Base):
    """A task that is not done yet. When it is done, the row is deleted with its secrets."""

    __tablename__ = 'core_tasks'
    __table_args__ = (
        UniqueConstraint('name', 'unique_key'),
        Index('ix_core_tasks_not_ready', 'available_at', **_where('round_number IS NULL')),
        Index(
            'ix_core_tasks_ready', 'queue', 'slot', 'round_number', 'available_at',
            **_where('round_number IS NOT NULL'),
        ),
        Index('ix_core_tasks_owner', 'queue', 'slot', 'owner_id', 'round_number'),
        Index('ix_core_tasks_undone', 'queue', 'scheduled_at', **_where("state <> 'dead'")),
        Index(None, 'state'),
        Index(None, 'subject_id'),
    )  # fmt: skip

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str] = mapped_column(String(128))
    arguments: Mapped[str] = mapped_column(Text)
    encrypted_arguments: Mapped[bytes | None] = mapped_column(LargeBinary)
    # Tasks are equal if they have the same key. Only one row is stored for equal tasks.
    unique_key: Mapped[str | None] = mapped_column(String(64))
    # The user whom the task is about. If the user is deleted, waiting tasks are, too.
    subject_id: Mapped[int | None] = mapped_column()
    queue: Mapped[str] = mapped_column(String(8), server_default=DEFAULT)
    # The concurrency limit from which the task needs a slot; empty if it needs none.
    slot: Mapped[str] = mapped_column(String(32), server_default='')
    # The owner, on whose behalf the task runs: a user, the service (0) or an operator (-1). The
    # queue runs the tasks of all owners alternately.
    owner_id: Mapped[int] = mapped_column(server_default='0')
    # The round in which the task runs. In each round, the queue runs one task of each owner. None:
    # the task is not due yet, or is queued or running.
    round_number: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(8), default=WAITING)
    attempts: Mapped[int] = mapped_column(default=0)
    # Whether the task was enqueued again while it ran. If so, it runs once more, because the
    # current run may have read outdated data.
    rerun_requested: Mapped[bool] = mapped_column(default=False)
    # When the task was first due; failed attempts do not change it.
    scheduled_at: Mapped[datetime] = mapped_column(UTCDateTime)
    # When the task may be claimed. While it is queued or running: when its lease expires. None:
    # dead.
    available_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # The lease of the process that runs the task.
    lease_id: Mapped[UUID | None] = mapped_column()
    last_error: Mapped[str | None] = mapped_column(Text)
    request_id: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


# The arguments of dead letters are encrypted again, too: an operator may retry them.
register_encrypted_column(
    'secrets of waiting tasks',
    OutboxTask.encrypted_arguments,
    purpose=ENCRYPTION_PURPOSE,
    used_in=serialize.__module__,
    effect='a dead letter after 10 attempts',
)


def enqueue(function: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> UUID:
    """Enqueue a task that runs after this transaction has committed; return its id.

    If the transaction rolls back, the task does not run. The cost is one INSERT. If the task is
    `unique` and an equal task exists, no second task is added. The existing task then runs after
    this transaction. If it is running now, it runs again. If it is dead, its number of attempts is
    reset.

    :raises RuntimeError: outside `atomic`, or if the function is not a task.
    :raises TypeError: if the function does not accept the arguments, or they are not JSON.
    :raises ValueError: if the arguments are larger than 64 KiB.
    """
    return _insert(now(), function, args, kwargs)


def enqueue_at(
    moment: datetime, function: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs
) -> UUID:
    """Enqueue a task, such as a reminder, that does not run before a moment."""
    return _insert(moment, function, args, kwargs)


def is_pending(task_id: Any) -> ColumnElement[bool]:
    """Return an SQL condition: the task with an id is waiting, queued or running.

    The condition is false if the task is done, is a dead letter or was deleted.
    """
    return exists().where(OutboxTask.id == task_id, OutboxTask.state != DEAD)


def gave_up_since(task_id: Any, moment: datetime) -> ColumnElement[bool]:
    """Return an SQL condition: the task with an id became a dead letter after a moment.

    Its last attempt began after the moment.
    """
    return exists().where(
        OutboxTask.id == task_id, OutboxTask.state == DEAD, OutboxTask.started_at > moment
    )


def count_pending(function: Callable[..., Any], owner_id: int, limit: int) -> int:
    """Return how many tasks with this function and owner wait or run.

    :param limit: counting stops at this number.
    """
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
    """Delete the tasks about a user, and remove the user as the owner of other tasks.

    Call it inside `atomic`. Rows that other transactions have locked are skipped: these tasks are
    about to be done.
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
    # If a task enqueues another task, both have the same owner, even if that is the service (0).
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
    notifier = TASK_NOTIFIER.get()
    if not notifier.is_in_database:
        after_commit(notifier.notify)
    found: UUID = execute_write(_insertion(notifier.is_in_database), values).one()[0]
    return found


@cached_statement
def _insertion(notifies: bool) -> Any:
    """Return the statement that inserts a task, or renews an existing equal task.

    :param notifies: whether the statement also sends the notification. PostgreSQL delivers it after
        the commit.
    """
    change = _conflict_values(new_row(OutboxTask), func.least if notifies else func.min)
    # The update of an existing task locks its row, so the task does not run before this transaction
    # is visible.
    insert = upsert(OutboxTask, conflict=('name', 'unique_key'), change=change)
    if notifies:
        return insert.returning(OutboxTask.id, func.pg_notify(CHANNEL, ''))
    return insert.returning(OutboxTask.id)


def _conflict_values(new: Any, least: Any) -> dict[str, Any]:
    """Return the new values of an existing task that is equal to an enqueued one.

    :param new: the columns of the enqueued task.
    """
    is_dead, is_under_way = OutboxTask.state == DEAD, OutboxTask.state.in_((RUNNING, QUEUED))
    due = case(
        (is_under_way, OutboxTask.available_at),
        (is_dead, new.available_at),
        else_=least(OutboxTask.available_at, new.available_at),
    )
    # The old arguments may be the reason why it is dead.
    renewed = {
        name: case((is_dead, new[name]), else_=getattr(OutboxTask, name))
        for name in ('queue', 'slot', 'owner_id', 'arguments', 'encrypted_arguments')
    }
    first_due = least(OutboxTask.scheduled_at, new.scheduled_at)
    return {
        **renewed,
        'state': case((is_dead, WAITING), else_=OutboxTask.state),
        'attempts': case((is_dead, 0), else_=OutboxTask.attempts),
        'rerun_requested': OutboxTask.rerun_requested | (OutboxTask.state == RUNNING),
        'scheduled_at': case((is_dead, new.scheduled_at), else_=first_due),
        'available_at': due,
    }
