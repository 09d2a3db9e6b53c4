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
from project.core.errors import TooMany

from .database.session import Base, atomic, db, read, write
from .database.types import UTCDateTime
from .database.upsert import insert_or

# One guess in so many sweeps out the counters whose period is over, so that none is forgotten.
SWEEP_EVERY = 100


class GuessesSpent(TooMany):
    """Too many guesses; there will be more after `Retry-After` seconds."""

    field, reason = 'attempts', 'Too many attempts'


class Guess(Base):
    """How many guesses of a kind were spent on something since its period began."""

    __tablename__ = 'core_guesses'
    __table_args__ = (Index(None, 'until'),)

    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    # A hash: the table names neither accounts nor addresses.
    target: Mapped[str] = mapped_column(String(64), primary_key=True)
    spent: Mapped[int]
    until: Mapped[datetime] = mapped_column(UTCDateTime)


def spend_guess(kind: str, target: str, *, limit: int, period: timedelta) -> None:
    """Count a guess, or refuse with GuessesSpent once `limit` of them were spent in the period.

    The period begins with its first guess. What is refused is not counted.
    """
    moment, key = now(), _hashed(target)
    if randbelow(SWEEP_EVERY) == 0:
        write(delete(Guess).where(Guess.until <= moment), joins=True)
    over = Guess.until <= moment
    statement = insert_or(
        Guess,
        {'kind': kind, 'target': key, 'spent': 1, 'until': moment + period},
        conflict=('kind', 'target'),
        change={
            'spent': case((over, 1), else_=Guess.spent + 1),
            'until': case((over, moment + period), else_=Guess.until),
        },
        where=over | (Guess.spent < limit),
    )
    # By itself, unless the caller's transaction is to fail with it: three trips would be two more.
    if not write(statement.returning(Guess.spent), joins=True):
        until = read(select(Guess.until).where(*_is(kind, key))).scalar_one_or_none()
        # A row that a sweep or an unlock has removed meanwhile stands in nobody's way any more.
        raise GuessesSpent(int((until - moment).total_seconds()) + 1 if until else 1)


def return_guess(kind: str, target: str) -> None:
    """Give one guess back: it was right. What others guessed stays counted."""
    spent = update(Guess).where(*_is(kind, _hashed(target)), Guess.spent > 0)
    write(spent.values(spent=Guess.spent - 1), joins=True)


@atomic()
def forget_guesses(kind: str, target: str) -> bool:
    """Unlock: forget what was spent on something. Return whether there was anything."""
    gone = delete(Guess).where(*_is(kind, _hashed(target))).returning(Guess.spent)
    return db.session.execute(gone).one_or_none() is not None


def _is(kind: str, key: str) -> tuple[ColumnElement[bool], ...]:
    return Guess.kind == kind, Guess.target == key


def _hashed(target: str) -> str:
    return sha256(target.encode()).hexdigest()
