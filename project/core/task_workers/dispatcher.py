"""The dispatcher: looks into the outbox after a notification, and once a second if it does not.

It starts what is due by a timetable, and wakes the workers, or hands their work to the broker.
"""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from project.core.clock import now
from project.core.processes import is_parent_gone
from project.core.tasks import broker_queues, clock_repairs, leases, periodic, queues
from project.core.tasks.notifications import TaskNotifier
from project.core.tasks.registry import DEFAULT, MAIL, SLOW, Queue

from .broker import BrokerUnavailable, TaskBroker
from .worker_slot import WorkerSlot

POLL_INTERVAL_SECONDS = 1.0  # seconds
TICK_INTERVAL_SECONDS = 5.0  # seconds between two entries in the database that it is alive
MAX_SCHEDULE_WAIT_SECONDS = 60.0  # seconds between two looks at the schedules
REPAIR_INTERVAL_SECONDS = 30.0  # seconds between two looks for tasks that a wrong clock put off
# Of each queue, the ids in the broker that no worker has received; and of those, of one user. Few,
# because the broker knows no owners: a task waits for all that are there before it.
MAX_QUEUED_TASKS: dict[Queue, int] = {MAIL: 50, DEFAULT: 50, SLOW: 8}
MAX_QUEUED_TASKS_PER_OWNER: dict[Queue, int] = {MAIL: 10, DEFAULT: 10, SLOW: 2}
BROKER_POLL_SECONDS = 0.1  # seconds
# For one look: longer than the database lets a statement take. After that it is a connection that
# nobody answers, and another process looks.
POLL_TIMEOUT = timedelta(seconds=60)

log = logging.getLogger(__name__)


class Dispatch(Protocol):
    """How work reaches its workers."""

    def __call__(self) -> float:
        """Hand out what is due, and return in how many seconds to look again at the latest."""


def dispatch(workers: list[WorkerSlot], broker: str = '') -> Callable[[Flask, WorkerSlot], None]:
    """Return the role of a dispatcher: for these workers, or with a broker for those of all."""

    def run_dispatcher(app: Flask, slot: WorkerSlot) -> None:
        hand = DispatchToBroker(TaskBroker(broker)) if broker else DispatchToLocalWorkers(workers)
        notifier: TaskNotifier = app.extensions['task_notifier']
        renew_leases, enqueue_schedules = LeaseRenewer(workers), ScheduleEnqueuer()
        record_tick = Interval(TICK_INTERVAL_SECONDS, periodic.record_dispatcher_tick)
        repair_tasks = Interval(REPAIR_INTERVAL_SECONDS, _repair_tasks)
        while not slot.stop_requested and not is_parent_gone(slot.parent_pid):
            slot.set_deadline(POLL_TIMEOUT)
            try:
                with app.app_context():
                    renew_leases()
                    record_tick()
                    repair_tasks()
                    enqueue_schedules()
                    notifier.wait(hand(), slot.wakeup)
            except SQLAlchemyError as error:
                log.warning('the outbox cannot be read: %s', type(error).__name__)
                slot.wait(POLL_INTERVAL_SECONDS)

    return run_dispatcher


class LeaseRenewer:
    """Renews the leases of workers that are busy.

    From here and not from there: a task may keep its whole interpreter busy, and still is at work.
    """

    def __init__(self, workers: list[WorkerSlot]) -> None:
        self.workers = workers
        self.renewed = float('-inf')

    def __call__(self) -> None:
        """Renew them, if it is time."""
        busy = [worker.lease for worker in self.workers if worker.is_busy]
        if busy and time.monotonic() - self.renewed > leases.LEASE_RENEWAL_SECONDS:
            leases.renew(busy)
            self.renewed = time.monotonic()


class Interval:
    """Calls a function every so many seconds, whatever happens to the clock."""

    def __init__(self, seconds: float, function: Callable[[], object]) -> None:
        self.seconds = seconds
        self.function = function
        self.called = float('-inf')

    def __call__(self) -> None:
        """Call it, if it is time."""
        if time.monotonic() - self.called > self.seconds:
            self.function()
            self.called = time.monotonic()


class ScheduleEnqueuer:
    """Enqueues due schedules."""

    def __init__(self) -> None:
        self.next_look = float('-inf')

    def __call__(self) -> None:
        """Enqueue them, unless none can be due yet."""
        if time.monotonic() >= self.next_look:
            due = periodic.enqueue_due_schedules()
            # The clock may be set forward in the meantime.
            wait = min((due - now()).total_seconds(), MAX_SCHEDULE_WAIT_SECONDS)
            self.next_look = time.monotonic() + wait


class DispatchToLocalWorkers:
    """Wakes the workers beside this process."""

    def __init__(self, workers: list[WorkerSlot]) -> None:
        self.workers = workers

    def __call__(self) -> float:
        """Wake the workers whose queues have ready tasks: each claims the next of them."""
        ready = set(queues.mark_all_ready())
        for worker in self.workers:
            if ready.intersection(worker.queues):
                worker.wakeup.notify()
        return POLL_INTERVAL_SECONDS


class DispatchToBroker:
    """Sends the ids of tasks that are due; the outbox stays the truth."""

    def __init__(self, broker: TaskBroker) -> None:
        self.broker = broker

    def __call__(self) -> float:
        """Send as many as the broker may have at once. While it is down, they wait here."""
        ready = queues.mark_all_ready()
        try:
            for queue in ready:
                room = MAX_QUEUED_TASKS[queue] - self.broker.queue_size(queue)
                share = MAX_QUEUED_TASKS_PER_OWNER[queue]
                self._send(queue, broker_queues.mark_queued(queue, room, share))
        except BrokerUnavailable as error:
            log.warning('the broker does not take tasks: %s', error)
            return POLL_INTERVAL_SECONDS
        return BROKER_POLL_SECONDS if ready else POLL_INTERVAL_SECONDS

    def _send(self, queue: Queue, ids: list[UUID]) -> None:
        for position, task_id in enumerate(ids):
            try:
                self.broker.send(queue, task_id)
            except BrokerUnavailable:
                broker_queues.requeue(ids[position:])
                raise


def _repair_tasks() -> None:
    clock_repairs.repair_clock_jumps()
    queues.reset_unknown_parts()
