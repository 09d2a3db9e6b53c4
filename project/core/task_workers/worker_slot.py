"""A worker slot: what stays when a worker process ends and another one replaces it."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from typing import Any, TypeAlias
from uuid import UUID, uuid4

from flask import Flask

from project.core.tasks.notifications import WakeupPipe
from project.core.tasks.registry import QUEUES, Queue

# Forked, so that the application is there at once and its memory is shared.
FORK = get_context('fork')

Role: TypeAlias = Callable[[Flask, 'WorkerSlot'], None]


@dataclass(frozen=True, slots=True)
class OrphanedLease:
    """What a process that ended may have left behind: tasks under its lease."""

    lease: UUID
    reason: str


@dataclass(eq=False, slots=True)
class WorkerSlot:
    """Who sits here, since when, until when at the latest, and how to wake them."""

    name: str
    role: Role
    # Whose tasks the process that sits here runs, if it is a worker.
    queues: tuple[Queue, ...] = QUEUES
    wakeup: WakeupPipe = field(default_factory=WakeupPipe)
    orphaned_leases: list[OrphanedLease] = field(default_factory=list)
    process: BaseProcess | None = None
    since: float = float('-inf')
    # Who looks after it: known before the fork, after which they may be gone already.
    parent_pid: int = field(default_factory=os.getppid)
    # In the process that sits here: whether it is to end. A plain flag, because it is set by a
    # signal handler, which an Event's lock would let wait for the code that it has interrupted.
    stop_requested: bool = False
    # Shared by both sides; the clock is the machine's, and 0 means that nothing runs.
    _deadline: Any = field(default_factory=lambda: FORK.RawValue('d', 0.0))
    _orphans_released: Any = field(default_factory=lambda: FORK.RawValue('b', False))
    _lease: Any = field(default_factory=lambda: FORK.RawArray('B', uuid4().bytes))
    _is_busy: Any = field(default_factory=lambda: FORK.RawValue('b', False))

    @property
    def lease(self) -> UUID:
        """Under which the process that sits here takes tasks."""
        return UUID(bytes=bytes(self._lease))

    @property
    def is_busy(self) -> bool:
        """Tell whether a task runs here, whose lease is to be renewed."""
        return bool(self._is_busy.value)

    def begin(self, limit: timedelta) -> None:
        """A task runs here, and may take so long."""
        self._is_busy.value = True
        self.set_deadline(limit)

    def end(self) -> None:
        """No task runs here."""
        self._is_busy.value = False

    def renew_lease_id(self) -> None:
        """Take tasks under a new lease from now on; what is held under the old one runs out."""
        self._lease[:] = uuid4().bytes

    def request_stop(self) -> None:
        """Have the process that sits here end when it is done with what it does."""
        self.stop_requested = True
        self.wakeup.notify()

    def wait(self, seconds: float) -> None:
        """Wait so long, or until somebody rings."""
        if not self.stop_requested:
            self.wakeup.wait(seconds)

    def wait_for_stop(self) -> None:
        """Return when the process is to end."""
        while not self.stop_requested:
            self.wait(60)

    def set_deadline(self, limit: timedelta) -> None:
        """Give what begins now so long."""
        self._deadline.value = time.monotonic() + limit.total_seconds()

    def clear_deadline(self) -> None:
        """Nothing runs here."""
        self._deadline.value = 0.0

    @property
    def is_overdue(self) -> bool:
        """Tell whether what runs here has had its time."""
        return bool(0.0 < self._deadline.value < time.monotonic())

    def mark_orphans_released(self) -> None:
        """Say that nothing is left of those who sat here before."""
        self._orphans_released.value = True

    def reset_for_next_process(self) -> None:
        """Make ready for the next process: with a lease of its own, and what the last one left."""
        if self.process is not None:
            before = [] if self._orphans_released.value else self.orphaned_leases
            self.orphaned_leases = [*before, OrphanedLease(self.lease, self._reason())]
            self._orphans_released.value = False
            self.renew_lease_id()
        self.since, self.parent_pid = time.monotonic(), os.getpid()
        self.end()
        self.clear_deadline()

    def _reason(self) -> str:
        assert self.process is not None  # noqa: S101 - for the type checker
        if self.is_overdue:
            return 'it took longer than its time limit, and was ended'
        code = self.process.exitcode or 0
        how = f'signal {-code}' if code < 0 else f'exit code {code}'
        return f'its process ended ({how})'
