"""A seat in the crew: what stays when a process ends and another one takes its place."""

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

from project.core.tasks.notifications import Pipe

# Forked, so that the application is there at once and its memory is shared.
FORK = get_context('fork')

Role: TypeAlias = Callable[[Flask, 'Seat'], None]


@dataclass(frozen=True, slots=True)
class Left:
    """What a process that ended may have left behind: tasks under its lease."""

    lease: UUID
    reason: str


@dataclass(eq=False, slots=True)
class Seat:
    """Who sits here, since when, until when at the latest, and how to wake them."""

    name: str
    role: Role
    bell: Pipe = field(default_factory=Pipe)
    left: list[Left] = field(default_factory=list)
    process: BaseProcess | None = None
    since: float = float('-inf')
    # Who looks after it: known before the fork, after which they may be gone already.
    leader: int = field(default_factory=os.getppid)
    # In the process that sits here: whether it is to end. A plain flag, because it is set by a
    # signal handler, which an Event's lock would let wait for the code that it has interrupted.
    is_told_to_end: bool = False
    # Shared by both sides; the clock is the machine's, and 0 means that nothing runs.
    _deadline: Any = field(default_factory=lambda: FORK.RawValue('d', 0.0))
    _settled: Any = field(default_factory=lambda: FORK.RawValue('b', False))
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
        self.allow(limit)

    def end(self) -> None:
        """No task runs here."""
        self._is_busy.value = False

    def change_lease(self) -> None:
        """Take tasks under a new lease from now on; what is held under the old one runs out."""
        self._lease[:] = uuid4().bytes

    def tell_to_end(self) -> None:
        """Have the process that sits here end when it is done with what it does."""
        self.is_told_to_end = True
        self.bell.ring()

    def pause(self, seconds: float) -> None:
        """Wait so long, or until somebody rings."""
        if not self.is_told_to_end:
            self.bell.wait(seconds)

    def wait_for_the_end(self) -> None:
        """Return when the process is to end."""
        while not self.is_told_to_end:
            self.pause(60)

    def allow(self, limit: timedelta) -> None:
        """Give what begins now so long."""
        self._deadline.value = time.monotonic() + limit.total_seconds()

    def free(self) -> None:
        """Nothing runs here."""
        self._deadline.value = 0.0

    @property
    def is_overdue(self) -> bool:
        """Tell whether what runs here has had its time."""
        return bool(0.0 < self._deadline.value < time.monotonic())

    def settle(self) -> None:
        """Say that nothing is left of those who sat here before."""
        self._settled.value = True

    def take_over(self) -> None:
        """Make ready for the next process: with a lease of its own, and what the last one left."""
        if self.process is not None:
            before = [] if self._settled.value else self.left
            self.left = [*before, Left(self.lease, self._reason())]
            self._settled.value = False
            self.change_lease()
        self.since, self.leader = time.monotonic(), os.getpid()
        self.end()
        self.free()

    def _reason(self) -> str:
        assert self.process is not None  # noqa: S101 - for the type checker
        if self.is_overdue:
            return 'it took longer than its time limit, and was ended'
        code = self.process.exitcode or 0
        how = f'signal {-code}' if code < 0 else f'exit code {code}'
        return f'its process ended ({how})'


def is_orphan(parent: int) -> bool:
    """Tell whether the process that started this one is gone."""
    return os.getppid() != parent
