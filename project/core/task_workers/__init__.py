"""Task workers: processes that run the tasks of the outbox, beside the service or elsewhere."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType

from flask import Flask

from project.core.processes import is_parent_gone

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
    """Work the outbox off while it goes on, with so many workers (default: as configured).

    With a broker the workers do what it brings, without one what the dispatcher rings for.
    """
    count = max(1, app.config['TASKS_CONCURRENCY'] if concurrency is None else concurrency)
    broker = app.config['TASKS_BROKER_URL']
    role = run_broker_worker(broker) if broker else run_worker
    workers = [WorkerSlot(f'worker {number}', role) for number in range(1, count + 1)]
    Supervisor(app, [*workers, WorkerSlot('dispatcher', dispatch(workers, broker))]).run(goes_on)


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
