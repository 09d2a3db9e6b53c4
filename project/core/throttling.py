"""Counters of guesses: how often somebody tried, per account, address or network.

In the database and not in Redis, for they must survive both (ASVS 6.3.1). A guess is spent before
it is checked, so that a hundred at once cannot all pass the counter.
"""

from datetime import datetime, timedelta
from hashlib import sha256
from secrets import randbelow

from sqlalchemy import ColumnElement, Index, String, case, delete, select, update
from sqlalchemy.orm import Mapped, mapped_column

from project.core.clock import now
from project.core.errors import TooManyRequests

from .database.session import Base, atomic, db, execute_in_own_transaction, execute_select
from .database.types import UTCDateTime
from .database.upsert import upsert

# One guess in so many sweeps out the counters whose period is over, so that none is forgotten.
ATTEMPTS_PER_CLEANUP = 100


class TooManyAttempts(TooManyRequests):
    """Too many guesses; there will be more after `Retry-After` seconds."""

    field, reason = 'attempts', 'Too many attempts'


class ThrottleCounter(Base):
    """How many guesses of a kind were spent on something since its period began."""

    __tablename__ = 'core_throttle_counters'
    __table_args__ = (Index(None, 'resets_at'),)

    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    # A hash: the table names neither accounts nor addresses.
    target_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    attempts: Mapped[int]
    resets_at: Mapped[datetime] = mapped_column(UTCDateTime)


def consume_attempt(kind: str, target: str, *, limit: int, period: timedelta) -> None:
    """Count a guess, or refuse with TooManyAttempts once `limit` of them were spent in the period.

    The period begins with its first guess. What is refused is not counted.
    """
    moment, key = now(), _hashed(target)
    if randbelow(ATTEMPTS_PER_CLEANUP) == 0:
        execute_in_own_transaction(
            delete(ThrottleCounter).where(ThrottleCounter.resets_at <= moment), joins=True
        )
    over = ThrottleCounter.resets_at <= moment
    statement = upsert(
        ThrottleCounter,
        {'kind': kind, 'target_hash': key, 'attempts': 1, 'resets_at': moment + period},
        conflict=('kind', 'target_hash'),
        change={
            'attempts': case((over, 1), else_=ThrottleCounter.attempts + 1),
            'resets_at': case((over, moment + period), else_=ThrottleCounter.resets_at),
        },
        where=over | (ThrottleCounter.attempts < limit),
    )
    # By itself, unless the caller's transaction is to fail with it: three trips would be two more.
    if not execute_in_own_transaction(statement.returning(ThrottleCounter.attempts), joins=True):
        resets_at = execute_select(
            select(ThrottleCounter.resets_at).where(*_is(kind, key))
        ).scalar_one_or_none()
        # A row that a sweep or an unlock has removed meanwhile stands in nobody's way any more.
        raise TooManyAttempts(int((resets_at - moment).total_seconds()) + 1 if resets_at else 1)


def refund_attempt(kind: str, target: str) -> None:
    """Give one guess back: it was right. What others guessed stays counted."""
    counter = update(ThrottleCounter).where(
        *_is(kind, _hashed(target)), ThrottleCounter.attempts > 0
    )
    execute_in_own_transaction(counter.values(attempts=ThrottleCounter.attempts - 1), joins=True)


@atomic()
def reset_attempts(kind: str, target: str) -> bool:
    """Unlock: forget what was spent on something. Return whether there was anything."""
    gone = (
        delete(ThrottleCounter)
        .where(*_is(kind, _hashed(target)))
        .returning(ThrottleCounter.attempts)
    )
    return db.session.execute(gone).one_or_none() is not None


def _is(kind: str, key: str) -> tuple[ColumnElement[bool], ...]:
    return ThrottleCounter.kind == kind, ThrottleCounter.target_hash == key


def _hashed(target: str) -> str:
    return sha256(target.encode()).hexdigest()
