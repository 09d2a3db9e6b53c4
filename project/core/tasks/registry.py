"""Which functions may run later, and how: the registry that `@task` fills.

A task is an ordinary function. Called, it runs; `enqueue` writes it down for later.
"""

import inspect
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal, ParamSpec, TypeAlias, TypeVar

from .schedules import CronSchedule, IntervalSchedule, ScheduleRule

P = ParamSpec('P')
R = TypeVar('R')

MAX_BACKOFF = timedelta(minutes=15)
MAX_NAME_CHARACTERS = 128

# The queues, the most urgent first. Each has a worker process that serves it before the others:
# `mail` for whatever a person waits for in front of a mailbox, `default` for tasks of some seconds,
# `slow` for tasks of minutes or hours.
Queue: TypeAlias = Literal['mail', 'default', 'slow']
MAIL: Final = 'mail'
DEFAULT: Final = 'default'
SLOW: Final = 'slow'
QUEUES: tuple[Queue, ...] = (MAIL, DEFAULT, SLOW)

_tasks: dict[str, 'Task'] = {}
_names: dict[Callable[..., Any], str] = {}


@dataclass(frozen=True, slots=True)
class TaskSlot:
    """A concurrency limit that tasks need a slot of: while none is free, they wait in the outbox.

    :param is_free: whether a slot is free now. It may be taken when the task runs; then that raises
        `SlotUnavailable`, and the task waits without a failed attempt.
    """

    name: str
    is_free: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Task:
    """A function that may run later.

    :param attempts: how often it is tried before it is a dead letter.
    :param backoff: the wait after the first failure; it doubles with each, up to 15 minutes.
    :param time_limit: after which the process of an attempt is killed.
    :param encrypted: the arguments that are encrypted in the outbox and never shown.
    :param unique: the arguments that make two of them the same, of which there is one at most.
    :param subject_argument: the argument that is the id of the user whom it is about: what waits is
        deleted with them.
    :param owner_argument: the argument that is the id of the user whose share of the queue it
        takes; by default that of `subject_argument`. If it is None, the owner is an operator, and
        all operators have one share.
    :param queue: `mail` for a mail that a person waits for, `default` for some seconds of work,
        `slow` for minutes or hours.
    :param slot: a concurrency limit of which the task needs a slot.
    """

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
        """Return how long to wait after a failed attempt."""
        return exponential_backoff(self.backoff, attempt)


def exponential_backoff(backoff: timedelta, attempt: int) -> timedelta:
    """Return the wait after an attempt: twice that after the one before it, up to 15 minutes.

    With jitter, between half of it and all of it: many that failed together must not come back
    together.
    """
    # Bounded first: what is a day long would otherwise overflow.
    wait: timedelta = min(backoff, MAX_BACKOFF) * 2 ** min(attempt - 1, 30)
    return min(wait, MAX_BACKOFF) * random.uniform(0.5, 1)  # noqa: S311 - no secret


def task(
    *,
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
    """Mark a function with JSON arguments as one that may run later, and return it unchanged.

    It may run twice, because a crash can hide how far it came. Its docstring says why that is safe.
    With `every` or `cron` (five fields, UTC) it also runs once in each period. The other parameters
    are those of `Task`.

    :param name: its name in the outbox; by default `<feature>.<function>`. If you rename a function
        whose tasks still wait, keep the old name here.
    :raises ValueError: if it could never run: its name is taken, an argument does not exist, or it
        has a schedule and needs arguments.
    """

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        timetable = _schedule_rule(every, cron)
        chosen = tuple(unique) if unique is not None else () if timetable else None
        _add(
            Task(
                name=name or f'{_feature_of(function)}.{function.__name__}',
                function=function,
                attempts=attempts,
                backoff=backoff,
                time_limit=time_limit,
                encrypted=frozenset(encrypted),
                unique=chosen,
                subject_argument=subject_argument,
                schedule=timetable,
                queue=queue,
                slot=slot,
                owner_argument=owner_argument or subject_argument,
            )
        )
        return function

    return mark


def require_task(function: Callable[..., Any]) -> Task:
    """Return the task that a function is, or refuse one that `@task` does not mark."""
    if function not in _names:
        raise RuntimeError(f'{function.__qualname__}() is no @task')
    return _tasks[_names[function]]


def find_task(name: str) -> Task | None:
    """Return the task of that name, if this version of the service knows one."""
    return _tasks.get(name)


def scheduled_tasks() -> list[Task]:
    """Return the tasks that run by themselves."""
    return [task for task in _tasks.values() if task.schedule]


def registered_slots() -> dict[Queue, dict[str, TaskSlot]]:
    """Return the concurrency limits of each queue's tasks, by name."""
    found: dict[Queue, dict[str, TaskSlot]] = {}
    for task in _tasks.values():
        if task.slot:
            found.setdefault(task.queue, {})[task.slot.name] = task.slot
    return found


def task_names() -> list[str]:
    """Return the names of all tasks, sorted."""
    return sorted(_tasks)


def _feature_of(function: Callable[..., Any]) -> str:
    """Return the package below `project` that a function lives in."""
    _, _, inside = function.__module__.partition('.')
    return (inside or function.__module__).split('.')[0]


def _schedule_rule(every: timedelta | None, cron: str | None) -> ScheduleRule | None:
    if every is not None and cron is not None:
        raise ValueError('a task runs either every so often or by cron')
    return (
        IntervalSchedule(every)
        if every is not None
        else CronSchedule(cron)
        if cron is not None
        else None
    )


def _add(fresh: Task) -> None:
    parameters = inspect.signature(fresh.function).parameters
    wanted = [p.name for p in parameters.values() if p.default is p.empty]
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    loose = [p.name for p in parameters.values() if p.kind not in named]
    mentioned = {
        *fresh.encrypted,
        *(fresh.unique or ()),
        *filter(None, [fresh.subject_argument, fresh.owner_argument]),
    }
    unknown = mentioned - set(parameters)
    if fresh.name in _tasks or len(fresh.name) > MAX_NAME_CHARACTERS:
        raise ValueError(f'there is a task {fresh.name!r} already, or its name is too long')
    if unknown:
        raise ValueError(f'{fresh.name} has no argument {", ".join(sorted(unknown))}')
    if loose or fresh.encrypted & set(fresh.unique or ()):
        raise ValueError(f'{fresh.name} must name its arguments, and compare none that is secret')
    if fresh.schedule and wanted:
        raise ValueError(f'{fresh.name} runs by itself, and nobody would give it {wanted[0]}')
    if fresh.queue not in QUEUES:
        raise ValueError(f'{fresh.name} is in no queue: {", ".join(QUEUES)}')
    if fresh.attempts < 1 or min(fresh.backoff, fresh.time_limit) <= timedelta():
        raise ValueError(f'{fresh.name} could never run')
    _tasks[fresh.name] = fresh
    _names[fresh.function] = fresh.name
