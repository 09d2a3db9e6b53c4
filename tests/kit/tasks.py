"""Execution of tasks from the outbox in the process of the test, without task workers."""

from datetime import timedelta
from uuid import UUID, uuid4

from flask import Flask
from sqlalchemy import update

from project.core.clock import now
from project.core.database.session import atomic, db
from project.core.tasks.attempts import run_next_task
from project.core.tasks.outbox import OutboxTask


class NoWatchdog:
    """A watchdog without a time limit, for tasks that run in the process of the test."""

    def start_watch(self, task_id: UUID, limit: timedelta) -> None:
        """Do nothing."""

    def stop_watch(self) -> None:
        """Do nothing."""


def run_pending_tasks(app: Flask) -> int:
    """Run all due tasks in this process; return the number of attempts."""
    lease, count = uuid4(), 0
    while run_next_task(app, lease, NoWatchdog()):
        count += 1
    return count


def run_tasks_later(app: Flask) -> None:
    """Run all tasks in the outbox, as if the time of the scheduled ones had come."""
    with atomic():
        db.session.execute(update(OutboxTask).values(available_at=now(), scheduled_at=now()))
    run_pending_tasks(app)
