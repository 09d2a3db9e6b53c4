"""Workers: the processes that run tasks, one at a time."""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from project.core.tasks import leases
from project.core.tasks.attempts import Claim, fail_leased_tasks, run_next_task
from project.core.tasks.registry import QUEUES, Queue
from project.core.tasks.rows import ClaimedTask

from .broker import TaskBroker
from .worker_slot import WorkerSlot

IDLE_POLL_SECONDS = 60.0  # between two polls without a notification, in case one was lost
DATABASE_RETRY_SECONDS = 1.0  # until the next query after a database error
# The time limit of each database operation of a worker. It is longer than the statement timeout of
# the database. So if it is exceeded, the connection is dead.
STEP_TIMEOUT = timedelta(seconds=60)

log = logging.getLogger(__name__)


class SlotWatchdog:
    """The watchdog of a worker slot: it stores the deadline of the running task in the slot.

    The supervisor kills the process after the deadline.
    """

    def __init__(self, slot: WorkerSlot) -> None:
        self.slot = slot

    def start_watch(self, task_id: UUID, limit: timedelta) -> None:
        """Mark the slot as busy, and set the deadline by which the task must end."""
        self.slot.begin(limit)

    def stop_watch(self) -> None:
        """Mark the slot as idle, and set the deadline for storing the result of the task."""
        self.slot.end()
        self.slot.set_deadline(STEP_TIMEOUT)


def run_worker(queues: Sequence[Queue] = QUEUES) -> Callable[[Flask, WorkerSlot], None]:
    """Return the function that a worker process runs, without a broker.

    When the dispatcher wakes the worker, the worker runs tasks until none is ready.

    :param queues: the queues that the worker serves. It takes each task from the first of these
        queues that has a ready task.
    """

    def claim(lease: UUID) -> ClaimedTask | None:
        return leases.claim_next(lease, queues)

    def run(app: Flask, slot: WorkerSlot) -> None:
        while not slot.stop_requested:
            try:
                _fail_orphaned_leases(app, slot)
                while not slot.stop_requested and _attempt(app, slot, claim):
                    pass
            except SQLAlchemyError as error:
                _log_database_error(error, slot)
                slot.wait(DATABASE_RETRY_SECONDS)
            else:
                slot.wait(IDLE_POLL_SECONDS)

    return run


def run_broker_worker(url: str, queue: Queue) -> Callable[[Flask, WorkerSlot], None]:
    """Return the function that a worker process runs, with a broker.

    A worker serves only one queue. Otherwise, a task id that it has received from one queue would
    wait while it runs a slow task of another queue.

    :param url: the URL of the broker.
    """

    def run(app: Flask, slot: WorkerSlot) -> None:
        def handle(task_id: str | None = None) -> None:
            try:
                _fail_orphaned_leases(app, slot)
                if task_id:
                    _attempt(app, slot, partial(leases.claim, UUID(task_id)))
            except SQLAlchemyError as error:
                # Do not raise: the message is then acknowledged, and the dispatcher sends the id
                # again later.
                _log_database_error(error, slot)

        handle()
        TaskBroker(url).consume(queue, handle, slot.wait_for_stop)

    return run


def _attempt(app: Flask, slot: WorkerSlot, claim: Claim) -> bool:
    """Claim a task and run it, with a deadline for each step; return whether there was a task."""
    slot.set_deadline(STEP_TIMEOUT)
    try:
        return run_next_task(app, slot.lease, SlotWatchdog(slot), claim)
    finally:
        slot.end()
        slot.clear_deadline()


def _fail_orphaned_leases(app: Flask, slot: WorkerSlot) -> None:
    """Record failed attempts for the tasks that former processes of this slot left unfinished."""
    while slot.orphaned_leases:
        slot.set_deadline(STEP_TIMEOUT)
        with app.app_context():
            fail_leased_tasks(slot.orphaned_leases[0].lease, slot.orphaned_leases[0].reason)
        del slot.orphaned_leases[0]
    slot.clear_deadline()
    slot.mark_orphans_released()


def _log_database_error(error: SQLAlchemyError, slot: WorkerSlot) -> None:
    log.warning('the outbox cannot be processed: %s', getattr(error, 'orig', None) or error)
    # If the worker ran a task, its result could not be stored. The slot gets a new lease id, so
    # that no process renews the old lease. It expires, and a worker claims the task again.
    slot.clear_deadline()
    slot.renew_lease_id()
