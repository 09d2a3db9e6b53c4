"""Schedules: rules that determine when a task is due next, in UTC."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from cronsim import CronSim, CronSimError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MIN_INTERVAL = timedelta(seconds=1)


class ScheduleRule(Protocol):
    """The interface of a schedule."""

    @property
    def rule(self) -> str:
        """The rule as text; if the text differs, the rule has changed."""
        ...

    def next_after(self, moment: datetime) -> datetime:
        """Return the first due time after a moment."""
        ...


@dataclass(frozen=True, slots=True)
class IntervalSchedule:
    """A fixed period, counted from 1970, so that all processes compute the same times."""

    period: timedelta

    def __post_init__(self) -> None:
        if self.period < MIN_INTERVAL:
            raise ValueError('a period must be at least one second')

    @property
    def rule(self) -> str:
        """The rule as text."""
        return f'every {self.period.total_seconds():g} s'

    def next_after(self, moment: datetime) -> datetime:
        """Return the first due time after a moment."""
        return EPOCH + ((moment - EPOCH) // self.period + 1) * self.period


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """A rule of five fields as in cron(8), with names and ranges."""

    expression: str

    def __post_init__(self) -> None:
        # The library also accepts a sixth field, of seconds, which cron(8) does not have.
        if len(self.expression.split()) != 5:
            raise ValueError(f'{self.expression!r} is not a cron rule: a rule has five fields')
        # A rule such as 30 February is well-formed, but no date matches it.
        try:
            self.next_after(EPOCH)
        except (CronSimError, StopIteration) as error:
            raise ValueError(f'{self.expression!r} is not a cron rule: {error}') from error

    @property
    def rule(self) -> str:
        """The rule as text."""
        return self.expression

    def next_after(self, moment: datetime) -> datetime:
        """Return the first due time after a moment."""
        return next(CronSim(self.expression, moment))
