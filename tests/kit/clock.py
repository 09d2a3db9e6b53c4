"""The clock of the code under test, which a test moves."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

import pytest
import time_machine

from project.core.clock import now

UNITS = ('weeks', 'days', 'hours', 'minutes', 'seconds', 'milliseconds', 'microseconds')


class Travel:
    """A clock that stands still, and that a test moves by calling it.

    `travel(days=3)` and `travel(timedelta(days=3))` move it forward, a negative length moves it
    back, and `travel(to=moment)` sets it. As a context manager, a call restores the earlier time at
    the end of its block.

    Tests without fixtures write `with Travel() as travel:`.
    """

    def __init__(self) -> None:
        self._set: list[time_machine.travel] = []

    def __enter__(self) -> Self:
        self._stop_at(now())
        return self

    def __exit__(self, *_: object) -> None:
        self._restore(0)

    def __call__(
        self, length: timedelta | None = None, /, *, to: datetime | None = None, **units: float
    ) -> 'Move':
        """Move the clock. Use the result in `with` to restore the earlier time after the block.

        :param length: the length of the move, instead of `units`.
        :param to: the moment to set, instead of a length.
        :param units: the length of the move, such as `days=3, hours=1`.
        :raises ValueError: if the call gives no or two lengths, an unknown unit, or a moment
            without a time zone.
        """
        if unknown := sorted(units.keys() - set(UNITS)):
            raise ValueError(f'unknown unit {unknown[0]!r}: a unit is one of {", ".join(UNITS)}')
        if (length is not None) + (to is not None) + bool(units) != 1:
            raise ValueError('give one length or moment: travel(days=3) or travel(to=moment)')
        if to is not None and to.tzinfo is None:
            raise ValueError(f'{to!r} has no time zone: write datetime(…, tzinfo=UTC)')
        depth = len(self._set)
        self._stop_at(to or now() + (timedelta(**units) if length is None else length))
        return Move(self, depth)

    def _stop_at(self, moment: datetime) -> None:
        clock = time_machine.travel(moment, tick=False)
        clock.start()
        self._set.append(clock)

    def _restore(self, depth: int) -> None:
        while len(self._set) > depth:
            self._set.pop().stop()


class Move:
    """A move of the clock, which ends with a `with` block, or with the test.

    The block gets the moment to which the clock was moved.
    """

    def __init__(self, travel: Travel, depth: int) -> None:
        self._travel = travel
        self._depth = depth

    def __enter__(self) -> datetime:
        return now()

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._travel._restore(self._depth)


@pytest.fixture
def travel() -> Iterator[Travel]:
    """Stop the clock of the code under test; a call moves it: `travel(days=3)`.

    The clock moves only when the test moves it, and is restored at the end of the test. See
    `Travel` for all forms. Raises ValueError for an unknown unit.
    """
    with Travel() as travel:
        yield travel
