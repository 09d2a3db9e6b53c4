"""Workers: the processes that make attempts at tasks, one at a time."""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from project.core.database.session import AnyRow
from project.core.tasks import leases
from project.core.tasks.attempts import Claim, fail_leased_tasks, run_next_task
from project.core.tasks.registry import QUEUES, Queue

from .broker import TaskBroker
from .worker_slot import WorkerSlot

IDLE_POLL_SECONDS = 60.0  # seconds: who is never rung looks by itself, in case that a ring was lost
DATABASE_RETRY_SECONDS = 1.0  # seconds before a database that was away is asked again
# For each step with the database: longer than it lets a statement take, so what is ended by this
# is a connection that nobody answers.
STEP_TIMEOUT = timedelta(seconds=60)

log = logging.getLogger(__name__)


class SlotWatchdog:
    """What a slot is told of the task that runs on it."""

    def __init__(self, slot: WorkerSlot) -> None:
        self.slot = slot

    def start_watch(self, _task_id: UUID, limit: timedelta) -> None:
        """A task begins, for so long at most."""
        self.slot.begin(limit)

    def stop_watch(self) -> None:
        """It has ended, and what is left to do with the database may take a step's time."""
        self.slot.end()
        self.slot.set_deadline(STEP_TIMEOUT)


def run_worker(queues: Sequence[Queue] = QUEUES) -> Callable[[Flask, WorkerSlot], None]:
    """Return the role of a worker that runs the tasks of these queues, in their order.

    The next task is of the first queue that has one, whenever the dispatcher wakes the worker.
    """

    def claim(lease: UUID) -> AnyRow | None:
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
    """Return the role of a worker that runs the tasks of one queue that a broker brings.

    Of one: an id that is fetched from a second queue would wait behind a slow task.
    """

    def run(app: Flask, slot: WorkerSlot) -> None:
        def handle(task_id: str | None = None) -> None:
            try:
                _fail_orphaned_leases(app, slot)
                if task_id:
                    _attempt(app, slot, partial(leases.claim, UUID(task_id)))
            except SQLAlchemyError as error:
                # The message is done with: the outbox knows better, and hands it out again.
                _log_database_error(error, slot)

        handle()
        TaskBroker(url).consume(queue, handle, slot.wait_for_stop)

    return run


def _attempt(app: Flask, slot: WorkerSlot, claim: Claim) -> bool:
    """Make an attempt, none of whose steps may take for ever; tell whether there was a task."""
    slot.set_deadline(STEP_TIMEOUT)
    try:
        return run_next_task(app, slot.lease, SlotWatchdog(slot), claim)
    finally:
        slot.end()
        slot.clear_deadline()


def _fail_orphaned_leases(app: Flask, slot: WorkerSlot) -> None:
    """Give back what the last one on this slot had when it ended."""
    while slot.orphaned_leases:
        slot.set_deadline(STEP_TIMEOUT)
        with app.app_context():
            fail_leased_tasks(slot.orphaned_leases[0].lease, slot.orphaned_leases[0].reason)
        del slot.orphaned_leases[0]
    slot.clear_deadline()
    slot.mark_orphans_released()


def _log_database_error(error: SQLAlchemyError, slot: WorkerSlot) -> None:
    log.warning('the outbox cannot be worked off: %s', getattr(error, 'orig', None) or error)
    # If there was a task, what became of it could not be written down. Under another lease nobody
    # renews the one that it has, and soon somebody takes it again.
    slot.clear_deadline()
    slot.renew_lease_id()
