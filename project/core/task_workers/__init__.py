"""Task workers: processes that run the tasks of the outbox.

They run as a part of the service, or separately with `flask jobs work`.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType

from flask import Flask

from project.core.app_values import AppValue
from project.core.processes import is_parent_gone
from project.core.tasks.registry import DEFAULT, MAIL, SLOW, Queue

# `health` registers the checks of tasks and of the broker, `metrics` the metrics of tasks.
from . import health, metrics  # noqa: F401
from .dispatcher import dispatch
from .supervisor import Supervisor
from .worker import run_broker_worker, run_worker
from .worker_slot import FORK, WorkerSlot

Serve = Callable[[Callable[[], bool]], None]

RUN_TASK_WORKERS: AppValue[Serve] = AppValue('run_task_workers')


def init_app(app: Flask) -> None:
    """Store `run_task_workers` in the application, where the gunicorn worker for tasks finds it."""
    RUN_TASK_WORKERS.set(app, partial(run_task_workers, app))


def run_task_workers(
    app: Flask, should_run: Callable[[], bool], *, concurrency: int | None = None
) -> None:
    """Run the tasks of the outbox while `should_run` returns True.

    With a broker, the workers run the tasks that it delivers.

    :param concurrency: number of tasks, not counting mails, that run at the same time; default:
        `TASKS_CONCURRENCY`.
    """
    count = app.config['TASKS_CONCURRENCY'] if concurrency is None else concurrency
    broker = app.config['TASKS_BROKER_URL']
    workers = [
        WorkerSlot(
            f'worker {number} ({queues[0]})',
            run_broker_worker(broker, queues[0]) if broker else run_worker(queues),
            queues,
        )
        for number, queues in enumerate(worker_queues(count, has_broker=bool(broker)), 1)
    ]
    Supervisor(app, [*workers, WorkerSlot('dispatcher', dispatch(workers, broker))]).run(should_run)


def worker_queues(count: int, *, has_broker: bool) -> list[tuple[Queue, ...]]:
    """Return the queues of each worker process. A process serves its first queue first.

    Each queue has a worker that serves it first, so that no queue waits for another. One process is
    for `mail`. `count` processes, but at least two, are for the other queues: alternately for
    `default` and for `slow`. Only those for `slow` run slow tasks.

    With a broker, each process serves only one queue. Otherwise, a task id that it has received
    from one queue would wait while the process runs a slow task of another queue. In this case,
    `count` processes are for `default`, and half as many for `slow`.
    """
    count = max(2, count)
    if has_broker:
        defaults: list[tuple[Queue, ...]] = [(DEFAULT,)] * count
        slow: list[tuple[Queue, ...]] = [(SLOW,)] * (count // 2)
        return [(MAIL,), *defaults, *slow]
    alternating: tuple[tuple[Queue, ...], ...] = ((DEFAULT, MAIL), (SLOW, DEFAULT, MAIL))
    return [(MAIL,), *(alternating[number % 2] for number in range(count))]


def run_until_signal(app: Flask, concurrency: int | None = None, parent: int | None = None) -> None:
    """Run tasks until SIGTERM or SIGINT, or until the parent process has ended.

    :param parent: the process id of the parent; None if the parent does not matter.
    """
    stop_requested = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stop_requested
        stop_requested = True

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, stop)
    run_task_workers(
        app,
        lambda: not stop_requested and not (parent and is_parent_gone(parent)),
        concurrency=concurrency,
    )


@contextmanager
def background_task_workers(app: Flask) -> Iterator[None]:
    """Run task workers in a child process while the `with` block runs.

    They also end if this process ends.
    """
    process = FORK.Process(target=run_until_signal, args=(app, None, os.getpid()), name='tasks')
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def runs_tasks_in_process(app: Flask) -> bool:
    """Return whether the service itself runs its tasks."""
    return not app.config['TASKS_BROKER_URL'] and app.config['TASKS_CONCURRENCY'] > 0
