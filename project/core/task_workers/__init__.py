"""Task workers: processes that run the tasks of the outbox, beside the service or elsewhere."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType

from flask import Flask

from project.core.processes import is_parent_gone
from project.core.tasks.registry import DEFAULT, MAIL, SLOW, Queue

from . import health  # noqa: F401 - registers the checks of tasks and of the broker
from .dispatcher import dispatch
from .supervisor import Supervisor
from .worker import run_broker_worker, run_worker
from .worker_slot import FORK, WorkerSlot

Serve = Callable[[Callable[[], bool]], None]


def init_app(app: Flask) -> None:
    """Leave where gunicorn finds it what its worker for tasks does."""
    app.extensions['run_task_workers'] = partial(run_task_workers, app)


def run_task_workers(
    app: Flask, goes_on: Callable[[], bool], *, concurrency: int | None = None
) -> None:
    """Work the outbox off while it goes on. With a broker, the workers run what it brings.

    :param concurrency: how many tasks run at once beside mails; default: as configured.
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
    Supervisor(app, [*workers, WorkerSlot('dispatcher', dispatch(workers, broker))]).run(goes_on)


def worker_queues(count: int, *, has_broker: bool) -> list[tuple[Queue, ...]]:
    """Return the queues of each worker process, its own first, then those that it helps with.

    Each queue has a worker of its own, so that none waits for another: one for `mail`, beside
    `count` others, at least two, for `default` and `slow` by turns. Only the latter run slow tasks.

    With a broker a process serves one queue, because an id that it fetched from a second queue
    would wait behind a slow task. There, `count` are for `default`, and half as many for `slow`.
    """
    count = max(2, count)
    if has_broker:
        defaults: list[tuple[Queue, ...]] = [(DEFAULT,)] * count
        slow: list[tuple[Queue, ...]] = [(SLOW,)] * (count // 2)
        return [(MAIL,), *defaults, *slow]
    by_turns: tuple[tuple[Queue, ...], ...] = ((DEFAULT, MAIL), (SLOW, DEFAULT, MAIL))
    return [(MAIL,), *(by_turns[number % 2] for number in range(count))]


def run_until_signal(app: Flask, concurrency: int | None = None, parent: int | None = None) -> None:
    """Work the outbox off until SIGTERM or SIGINT, or until the parent process is gone."""
    told = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal told
        told = True

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, stop)
    run_task_workers(
        app,
        lambda: not told and not (parent and is_parent_gone(parent)),
        concurrency=concurrency,
    )


@contextmanager
def background_task_workers(app: Flask) -> Iterator[None]:
    """Run task workers beside the block, and end them with the block, or with this process."""
    process = FORK.Process(target=run_until_signal, args=(app, None, os.getpid()), name='tasks')
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def runs_tasks_in_process(app: Flask) -> bool:
    """Tell whether the service works its tasks off by itself."""
    return not app.config['TASKS_BROKER_URL'] and app.config['TASKS_CONCURRENCY'] > 0
