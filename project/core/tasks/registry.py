"""Registry of the tasks: functions that are marked with `@task`.

A direct call of such a function runs it immediately. `enqueue` stores the call in the outbox.
"""

import inspect
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal, ParamSpec, TypeAlias, TypeVar

from project.core.registration import Registry

from .schedules import CronSchedule, IntervalSchedule, ScheduleRule

P = ParamSpec('P')
R = TypeVar('R')

MAX_BACKOFF = timedelta(minutes=15)
MAX_NAME_CHARACTERS = 128

# The queues, most urgent first. `mail` is for mails that a person waits for, `default` for tasks of
# some seconds, `slow` for tasks of minutes or hours. Each queue has a worker process that serves it
# before the others.
Queue: TypeAlias = Literal['mail', 'default', 'slow']
MAIL: Final = 'mail'
DEFAULT: Final = 'default'
SLOW: Final = 'slow'
QUEUES: tuple[Queue, ...] = (MAIL, DEFAULT, SLOW)

_tasks: Registry['Task'] = Registry('task', has_prefix=True)
_names: dict[Callable[..., Any], str] = {}


@dataclass(frozen=True, slots=True)
class TaskSlot:
    """A concurrency limit of tasks. While no slot is free, the tasks wait in the outbox.

    :param is_free: a function that returns whether a slot is free now. If no slot is free when the
        task runs, it raises `SlotUnavailable` and waits; that does not count as a failed attempt.
    """

    name: str
    is_free: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Task:
    """A function that can be enqueued, with its options.

    :param idempotent: why a second run is harmless: if a process crashes during a task, the task
        runs again.
    :param attempts: number of attempts before it becomes a dead letter.
    :param backoff: delay after the first failure; it doubles with each failure, up to 15 minutes.
    :param time_limit: time after which the process of an attempt is killed.
    :param encrypted: the names of arguments that are encrypted in the outbox and never shown.
    :param unique: the names of arguments that identify a task. If these are equal, only one task is
        stored; None: all are stored.
    :param subject_argument: the argument with the id of the user whom the task is about. Waiting
        tasks are deleted with the user.
    :param owner_argument: the argument with the id of the owner, the user for whom the task runs;
        default: `subject_argument`. A queue serves all owners equally. If the id is None, the owner
        is "operators", all together.
    :param queue: `mail` for a mail that a person waits for, `default` for some seconds of work,
        `slow` for minutes or hours.
    :param slot: a concurrency limit; the task runs only if it has a free slot.
    """

    idempotent: str
    name: str
    function: Callable[..., Any]
    attempts: int
    backoff: timedelta
    time_limit: timedelta
    encrypted: frozenset[str]
    unique: tuple[str, ...] | None
    subject_argument: str | None
    schedule: ScheduleRule | None
    queue: Queue
    slot: TaskSlot | None
    owner_argument: str | None

    def retry_delay(self, attempt: int) -> timedelta:
        """Return the delay before the attempt that follows a failed one.

        :param attempt: the number of the failed attempt.
        """
        return exponential_backoff(self.backoff, attempt)


def exponential_backoff(backoff: timedelta, attempt: int) -> timedelta:
    """Return the delay after a failed attempt: it doubles each time, up to 15 minutes.

    The result is random, between half of this delay and all of it, so that tasks that failed
    together are not retried together.
    """
    # Limit the backoff before the multiplication, because a long one, such as a day, would
    # overflow.
    wait: timedelta = min(backoff, MAX_BACKOFF) * 2 ** min(attempt - 1, 30)
    return min(wait, MAX_BACKOFF) * random.uniform(0.5, 1)  # noqa: S311 - no secret


def task(
    *,
    idempotent: str,
    name: str | None = None,
    attempts: int = 10,
    backoff: timedelta = timedelta(seconds=1),
    time_limit: timedelta = timedelta(minutes=1),
    encrypted: Iterable[str] = (),
    unique: Iterable[str] | None = None,
    subject_argument: str | None = None,
    every: timedelta | None = None,
    cron: str | None = None,
    queue: Queue = DEFAULT,
    slot: TaskSlot | None = None,
    owner_argument: str | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a function as a task, and return it unchanged. Its arguments must be JSON values.

    With `every` (a period) or `cron` (five fields, UTC), the task also runs by schedule. The other
    parameters are described in `Task`.

    :param name: the name of the task in the outbox; default: `<feature>.<function>`. If you rename
        a function, pass the old name: tasks with this name may still wait.
    :raises ValueError: if an argument does not exist, or a task with a schedule needs arguments.
    :raises RegistrationError: if the name belongs to another module; names both modules.
    """

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        schedule = _schedule_rule(every, cron)
        unique_arguments = tuple(unique) if unique is not None else () if schedule else None
        _add(
            Task(
                idempotent=idempotent,
                name=name or f'{_feature_of(function)}.{function.__name__}',
                function=function,
                attempts=attempts,
                backoff=backoff,
                time_limit=time_limit,
                encrypted=frozenset(encrypted),
                unique=unique_arguments,
                subject_argument=subject_argument,
                schedule=schedule,
                queue=queue,
                slot=slot,
                owner_argument=owner_argument or subject_argument,
            )
        )
        return function

    return mark


def require_task(function: Callable[..., Any]) -> Task:
    """Return the `Task` that belongs to a function.

    :raises RuntimeError: if the function is not marked with `@task`.
    """
    if function not in _names:
        raise RuntimeError(f'{function.__qualname__}() is not a @task')
    return _tasks.values[_names[function]]


def find_task(name: str) -> Task | None:
    """Return the task with a name, or None if this version does not have the task."""
    return _tasks.values.get(name)


def scheduled_tasks() -> list[Task]:
    """Return the tasks that have a schedule."""
    return [task for task in _tasks.values.values() if task.schedule]


def registered_slots() -> dict[Queue, dict[str, TaskSlot]]:
    """Return, for each queue, the concurrency limits of its tasks by name."""
    found: dict[Queue, dict[str, TaskSlot]] = {}
    for task in _tasks.values.values():
        if task.slot:
            found.setdefault(task.queue, {})[task.slot.name] = task.slot
    return found


def registered_tasks() -> list[Task]:
    """Return all tasks, sorted by name."""
    return list(_tasks.values.values())


def task_names() -> list[str]:
    """Return the names of all tasks, sorted."""
    return list(_tasks.values)


def _feature_of(function: Callable[..., Any]) -> str:
    """Return the feature that contains a function: the package below `project`."""
    _, _, inside = function.__module__.partition('.')
    return (inside or function.__module__).split('.')[0]


def _schedule_rule(every: timedelta | None, cron: str | None) -> ScheduleRule | None:
    if every is not None and cron is not None:
        raise ValueError('a task has either `every` or `cron`, not both')
    return (
        IntervalSchedule(every)
        if every is not None
        else CronSchedule(cron)
        if cron is not None
        else None
    )


def _add(new: Task) -> None:
    parameters = inspect.signature(new.function).parameters
    required = [p.name for p in parameters.values() if p.default is p.empty]
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    unnamed = [p.name for p in parameters.values() if p.kind not in named]
    mentioned = {
        *new.encrypted,
        *(new.unique or ()),
        *filter(None, [new.subject_argument, new.owner_argument]),
    }
    unknown = mentioned - set(parameters)
    if not new.idempotent.strip():
        raise ValueError(f'{new.name} needs a reason why a second run is safe (`idempotent=`)')
    if len(new.name) > MAX_NAME_CHARACTERS:
        raise ValueError(f'the task name {new.name!r} is too long')
    if unknown:
        raise ValueError(f'{new.name} has no argument {", ".join(sorted(unknown))}')
    if unnamed or new.encrypted & set(new.unique or ()):
        raise ValueError(f'{new.name} must name its arguments; `unique` must have no encrypted one')
    if new.schedule and required:
        raise ValueError(f'{new.name} has a schedule: its argument {required[0]} needs a default')
    if new.queue not in QUEUES:
        raise ValueError(f'the queue of {new.name} must be one of {", ".join(QUEUES)}')
    if new.attempts < 1 or min(new.backoff, new.time_limit) <= timedelta():
        raise ValueError(f'{new.name} needs an attempt, and a positive backoff and time limit')
    _tasks.register(new.name, new, owner=new.function.__module__)
    _names[new.function] = new.name
