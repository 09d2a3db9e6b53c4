"""The dispatcher process, which finds due tasks. It polls the outbox every second.

A notification wakes it earlier. It first enqueues the tasks of due schedules. Then it wakes the
workers or, with a broker, sends the ids of ready tasks.
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
from project.core.metrics import export_metrics
from project.core.processes import is_parent_gone
from project.core.tasks import broker_queues, clock_repairs, leases, periodic, queues
from project.core.tasks.notifications import TASK_NOTIFIER
from project.core.tasks.registry import DEFAULT, MAIL, SLOW, Queue

from .broker import BrokerUnavailable, TaskBroker
from .worker_slot import WorkerSlot

POLL_INTERVAL_SECONDS = 1.0
TICK_INTERVAL_SECONDS = 5.0  # between two ticks, which show that the dispatcher is alive
MAX_SCHEDULE_WAIT_SECONDS = 60.0  # between two reads of the schedules
REPAIR_INTERVAL_SECONDS = 30.0  # between two searches for tasks that a wrong clock has postponed
# Maximum number of task ids that wait in the broker, per queue, and per user in a queue. The
# numbers are small, because the broker does not distinguish owners: there, a task waits for all
# earlier tasks of other owners.
MAX_QUEUED_TASKS: dict[Queue, int] = {MAIL: 50, DEFAULT: 50, SLOW: 8}
MAX_QUEUED_TASKS_PER_OWNER: dict[Queue, int] = {MAIL: 10, DEFAULT: 10, SLOW: 2}
BROKER_POLL_SECONDS = 0.1
# The time limit of one poll. It is longer than the statement timeout of the database. So if a poll
# exceeds it, its connection is dead, and the supervisor replaces the process.
POLL_TIMEOUT = timedelta(seconds=60)

log = logging.getLogger(__name__)


class Dispatch(Protocol):
    """The interface of the step that passes ready tasks on to workers."""

    def __call__(self) -> float:
        """Pass on ready tasks; return the maximum seconds until the next call."""
        ...


def dispatch(workers: list[WorkerSlot], broker: str = '') -> Callable[[Flask, WorkerSlot], None]:
    """Return the function that the dispatcher process runs.

    :param workers: the slots of the workers of the same supervisor. Without a broker, the
        dispatcher wakes them.
    :param broker: the URL of the broker to which the dispatcher sends task ids; empty without one.
    """

    def run_dispatcher(app: Flask, slot: WorkerSlot) -> None:
        distribute = (
            DispatchToBroker(TaskBroker(broker)) if broker else DispatchToLocalWorkers(workers)
        )
        notifier = TASK_NOTIFIER.of(app)
        export_metrics(app)
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
                    notifier.wait(distribute(), slot.wakeup)
            except SQLAlchemyError as error:
                log.warning('the outbox cannot be read: %s', type(error).__name__)
                slot.wait(POLL_INTERVAL_SECONDS)

    return run_dispatcher


class LeaseRenewer:
    """A callable that renews the leases of busy workers.

    The workers cannot do that themselves: a task may block the whole interpreter of its process
    although it makes progress.
    """

    def __init__(self, workers: list[WorkerSlot]) -> None:
        self.workers = workers
        self.renewed = float('-inf')

    def __call__(self) -> None:
        """Renew the leases, if `LEASE_RENEWAL_SECONDS` have passed since the last renewal."""
        busy = [worker.lease for worker in self.workers if worker.is_busy]
        if busy and time.monotonic() - self.renewed > leases.LEASE_RENEWAL_SECONDS:
            leases.renew(busy)
            self.renewed = time.monotonic()


class Interval:
    """A callable that calls a function at most once per interval, whatever the system clock."""

    def __init__(self, seconds: float, function: Callable[[], object]) -> None:
        self.seconds = seconds
        self.function = function
        self.called = float('-inf')

    def __call__(self) -> None:
        """Call the function, if the interval has passed since the last call."""
        if time.monotonic() - self.called > self.seconds:
            self.function()
            self.called = time.monotonic()


class ScheduleEnqueuer:
    """A callable that enqueues the tasks of due schedules."""

    def __init__(self) -> None:
        self.next_look = float('-inf')

    def __call__(self) -> None:
        """Enqueue the tasks of due schedules; do nothing before the next schedule is due."""
        if time.monotonic() >= self.next_look:
            due = periodic.enqueue_due_schedules()
            # Do not wait for much longer: the clock may be set forward in the meantime.
            wait = min((due - now()).total_seconds(), MAX_SCHEDULE_WAIT_SECONDS)
            self.next_look = time.monotonic() + wait


class DispatchToLocalWorkers:
    """The step that passes ready tasks on to the workers of the same supervisor: it wakes them."""

    def __init__(self, workers: list[WorkerSlot]) -> None:
        self.workers = workers

    def __call__(self) -> float:
        """Wake the workers whose queues have ready tasks; each then claims a task."""
        ready = set(queues.mark_all_ready())
        for worker in self.workers:
            if ready.intersection(worker.queues):
                worker.wakeup.notify()
        return POLL_INTERVAL_SECONDS


class DispatchToBroker:
    """The step that passes ready tasks on to workers on any machine: it sends ids to the broker.

    The outbox stays the only record of the state of tasks.
    """

    def __init__(self, broker: TaskBroker) -> None:
        self.broker = broker

    def __call__(self) -> float:
        """Send the ids of ready tasks, up to `MAX_QUEUED_TASKS` ids in the broker.

        If the broker cannot be reached, the tasks wait in the outbox.
        """
        ready = queues.mark_all_ready()
        try:
            for queue in ready:
                limit = MAX_QUEUED_TASKS[queue] - self.broker.queue_size(queue)
                max_per_owner = MAX_QUEUED_TASKS_PER_OWNER[queue]
                self._send(queue, broker_queues.mark_queued(queue, limit, max_per_owner))
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
