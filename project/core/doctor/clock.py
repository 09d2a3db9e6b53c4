"""The check of the clock of this machine against those of the database and of the storage."""

import time
from collections.abc import Callable, Iterator

from sqlalchemy import extract, func, select
from sqlalchemy.exc import SQLAlchemyError

from project.core.checks import (
    DoctorCheck,
    Finding,
    Need,
    Situation,
    State,
    reason_of,
    register_check,
)
from project.core.clock import MAX_CLOCK_SKEW
from project.core.database.session import db
from project.core.errors import ServiceUnavailable
from project.core.storage import storage

# The `Date` header of an S3 server has whole seconds, and file systems may round, too.
ROUNDING_SECONDS = 1.0


def check_clock(
    _situation: Situation, *, now: Callable[[], float] = time.time
) -> Iterator[Finding]:
    """Compare this clock with those of the database server and of the storage.

    :param now: returns the time of this machine, in seconds since 1970.
    """
    clocks: dict[str, Callable[[], float]] = {'storage': storage().server_time}
    if db.engine.dialect.name == 'postgresql':
        clocks['database'] = database_time
    for name, read in sorted(clocks.items()):
        try:
            difference = clock_difference(read, now)
        except (SQLAlchemyError, ServiceUnavailable) as error:
            yield Finding(State.NOT_CHECKED, f'{name}: {reason_of(error)}', remedy='')
        else:
            yield clock_finding(name, difference)


def database_time() -> float:
    """Return the time of the database server, in seconds since 1970."""
    found = db.session.execute(select(extract('epoch', func.clock_timestamp())))
    return float(found.scalar_one())


def clock_difference(read: Callable[[], float], now: Callable[[], float]) -> float:
    """Return by how many seconds this clock is ahead of another, at least.

    The time between request and response is not part of the difference: the other clock was read
    at any moment in between.
    """
    before = now()
    other = read()
    after = now()
    if before - ROUNDING_SECONDS <= other <= after + ROUNDING_SECONDS:
        return 0.0
    return before - other if before > other else after - other


def clock_finding(name: str, difference: float) -> Finding:
    """Return whether a difference between two clocks is tolerated (`MAX_CLOCK_SKEW`)."""
    tolerance = MAX_CLOCK_SKEW.total_seconds()
    if abs(difference) <= tolerance:
        return Finding(State.OK, f'{name}: the clocks differ by at most {tolerance:g} s')
    direction = 'ahead of' if difference > 0 else 'behind'
    seen = f'this clock is {abs(difference):.1f} s {direction} that of the {name}'
    return Finding(State.FAILED, f'{seen}; at most {tolerance:g} s are tolerated')


register_check(
    'clock',
    DoctorCheck(
        function=check_clock,
        needs=Need.APPLICATION,
        remedy='Synchronize the clocks of all machines: `timedatectl set-ntp true`.',
    ),
    owner=__name__,
)
