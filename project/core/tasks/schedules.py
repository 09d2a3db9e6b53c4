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
        """The rule as text. If this text differs from the stored one, the rule was changed."""
        ...

    def next_after(self, moment: datetime) -> datetime:
        """Return the first due time after a moment."""
        ...


@dataclass(frozen=True, slots=True)
class IntervalSchedule:
    """A schedule with a fixed period. Periods are counted from 1970.

    So all processes compute the same times.
    """

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
    """A schedule in the syntax of cron(8): five fields, with names and ranges."""

    expression: str

    def __post_init__(self) -> None:
        # The library would also accept a sixth field for seconds, which cron(8) does not have.
        if len(self.expression.split()) != 5:
            raise ValueError(f'{self.expression!r} is not a cron rule: a rule has five fields')
        # The syntax of a rule such as "30 February" is valid, but no date matches it.
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
