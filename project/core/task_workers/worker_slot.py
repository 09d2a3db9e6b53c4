"""A worker slot: the state that remains when a worker process is replaced."""

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

# A forked process shares the memory of its parent, and need not load the application again.
FORK = get_context('fork')

Role: TypeAlias = Callable[[Flask, 'WorkerSlot'], None]


@dataclass(frozen=True, slots=True)
class OrphanedLease:
    """The lease of a process of this slot that has ended. It may still have claimed tasks."""

    lease: UUID
    reason: str


@dataclass(eq=False, slots=True)
class WorkerSlot:
    """A slot for a process. If the process dies, the supervisor starts another one in it.

    `role` is the function that the process runs.
    """

    name: str
    role: Role
    # The queues whose tasks the process runs. Only used if the process is a worker.
    queues: tuple[Queue, ...] = QUEUES
    wakeup: WakeupPipe = field(default_factory=WakeupPipe)
    orphaned_leases: list[OrphanedLease] = field(default_factory=list)
    process: BaseProcess | None = None
    since: float = float('-inf')
    # The process id of the supervisor. It is stored before the fork, because the supervisor may end
    # right after the fork.
    parent_pid: int = field(default_factory=os.getppid)
    # Whether the process must end; only the process itself uses the flag. It is not an Event,
    # because a signal handler sets it: an Event needs a lock, which the interrupted code may hold,
    # so that the handler would wait forever.
    stop_requested: bool = False
    # The supervisor reads and writes the following fields, too. The deadline is a value of
    # `time.monotonic()`, which is the same in all processes of a machine; 0: no deadline.
    _deadline: Any = field(default_factory=lambda: FORK.RawValue('d', 0.0))
    _orphans_released: Any = field(default_factory=lambda: FORK.RawValue('b', False))
    _lease: Any = field(default_factory=lambda: FORK.RawArray('B', uuid4().bytes))
    _is_busy: Any = field(default_factory=lambda: FORK.RawValue('b', False))

    @property
    def lease(self) -> UUID:
        """The lease under which the process claims tasks."""
        return UUID(bytes=bytes(self._lease))

    @property
    def is_busy(self) -> bool:
        """Whether the process runs a task. Then its lease must be renewed."""
        return bool(self._is_busy.value)

    def begin(self, limit: timedelta) -> None:
        """Mark the slot as busy with a task, which must end within `limit`."""
        self._is_busy.value = True
        self.set_deadline(limit)

    def end(self) -> None:
        """Mark the slot as idle."""
        self._is_busy.value = False

    def renew_lease_id(self) -> None:
        """Create a new lease, under which further tasks are claimed; the old lease expires."""
        self._lease[:] = uuid4().bytes

    def request_stop(self) -> None:
        """Make the process of this slot end as soon as its current task has ended."""
        self.stop_requested = True
        self.wakeup.notify()

    def wait(self, seconds: float) -> None:
        """Wait at most `seconds` for a notification; return immediately if the process must end."""
        if not self.stop_requested:
            self.wakeup.wait(seconds)

    def wait_for_stop(self) -> None:
        """Wait until the process must end."""
        while not self.stop_requested:
            self.wait(60)

    def set_deadline(self, limit: timedelta) -> None:
        """Set the deadline to `limit` from now."""
        self._deadline.value = time.monotonic() + limit.total_seconds()

    def clear_deadline(self) -> None:
        """Remove the deadline."""
        self._deadline.value = 0.0

    @property
    def is_overdue(self) -> bool:
        """Whether the deadline has passed."""
        return bool(0.0 < self._deadline.value < time.monotonic())

    def mark_orphans_released(self) -> None:
        """Record that no task is claimed under the leases of former processes any longer."""
        self._orphans_released.value = True

    def reset_for_next_process(self) -> None:
        """Prepare the slot for its next process.

        The slot gets a new lease. The lease of the former process becomes an orphaned lease.
        """
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
            return 'it exceeded its time limit and was killed'
        code = self.process.exitcode or 0
        how = f'signal {-code}' if code < 0 else f'exit code {code}'
        return f'its process ended ({how})'
