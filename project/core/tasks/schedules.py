"""Timetables: when a task that runs by itself is due next. All in UTC."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from cronsim import CronSim, CronSimError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MIN_INTERVAL = timedelta(seconds=1)


class ScheduleRule(Protocol):
    """When something is due."""

    @property
    def rule(self) -> str:
        """The rule as text, by which a changed one is noticed."""

    def next_after(self, moment: datetime) -> datetime:
        """Return the first time after a moment."""


@dataclass(frozen=True, slots=True)
class IntervalSchedule:
    """Every so often, counted from 1970, so that all processes mean the same moments."""

    period: timedelta

    def __post_init__(self) -> None:
        if self.period < MIN_INTERVAL:
            raise ValueError('a period is a second at least')

    @property
    def rule(self) -> str:
        """The rule as text."""
        return f'every {self.period.total_seconds():g} s'

    def next_after(self, moment: datetime) -> datetime:
        """Return the first time after a moment."""
        return EPOCH + ((moment - EPOCH) // self.period + 1) * self.period


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """Five fields as cron(8) has them, with names and ranges."""

    expression: str

    def __post_init__(self) -> None:
        # The library would take a sixth, of seconds, and nobody looks that often.
        if len(self.expression.split()) != 5:
            raise ValueError(f'{self.expression!r} is no rule of cron: it has five fields')
        # A rule such as 30 February is well-formed and never comes.
        try:
            self.next_after(EPOCH)
        except (CronSimError, StopIteration) as error:
            raise ValueError(f'{self.expression!r} is no rule of cron: {error}') from error

    @property
    def rule(self) -> str:
        """The rule as text."""
        return self.expression

    def next_after(self, moment: datetime) -> datetime:
        """Return the first time after a moment."""
        return next(CronSim(self.expression, moment))
