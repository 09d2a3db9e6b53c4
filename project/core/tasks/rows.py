"""Rows that the queries of the outbox return."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class ClaimedTask(NamedTuple):
    """A task that this process has claimed. `arguments` is JSON."""

    id: UUID
    name: str
    arguments: str
    encrypted_arguments: bytes | None
    attempts: int
    lease_id: UUID
    last_error: str | None
    request_id: str
    created_at: datetime
    owner_id: int


class InspectedTask(NamedTuple):
    """A task as operators see it. `arguments` is JSON, in which secrets are not masked yet."""

    id: UUID
    name: str
    queue: str
    state: str
    attempts: int
    due: datetime | None
    created_at: datetime
    started_at: datetime | None
    request_id: str
    error: str | None
    arguments: str
    encrypted_arguments: bytes | None


class TaskStats(NamedTuple):
    """The number of tasks with the same name by state; `oldest` is the earliest due time."""

    name: str
    waiting: int
    queued: int
    running: int
    dead: int
    oldest: datetime | None


class ScheduleRow(NamedTuple):
    """A schedule, and its last and next run."""

    name: str
    next_run_at: datetime
    last_enqueued_at: datetime | None
