"""Attempt counters: they limit the number of attempts on a target, such as an account, in a period.

They are in the database and not in Redis, where a flush or an eviction would delete them (ASVS
6.3.1). An attempt is counted before it is checked, so that concurrent attempts cannot exceed the
limit.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from math import ceil
from secrets import randbelow
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Index,
    String,
    bindparam,
    case,
    delete,
    select,
    update,
)  # fmt: skip
from sqlalchemy.orm import Mapped, mapped_column

from project.core.clock import MAX_CLOCK_SKEW, now
from project.core.errors import TooManyRequests
from project.core.metrics import Counter
from project.core.registration import Registry

from .database.cached_statements import cached_statement
from .database.cleanup import delete_unlocked
from .database.session import (
    Base,
    atomic,
    db,
    execute_in_own_transaction,
    execute_select,
    in_atomic,
)
from .database.types import UTCDateTime
from .database.upsert import new_row, upsert

# On average, one of this number of attempts also deletes all counters whose period is over.
ATTEMPTS_PER_CLEANUP = 100

BLOCKED = Counter(
    'throttled_attempts_total',
    'Attempts beyond the limit of an attempt counter.',
    ('counter',),
    owner=__name__,
)

DAY = timedelta(days=1)
# The limit and period of most counters of attempts at passwords and other secrets.
MAX_ATTEMPTS, ATTEMPT_PERIOD = 10, timedelta(minutes=15)


class TooManyAttempts(TooManyRequests):
    """The limit of an attempt counter is reached. The response has `Retry-After`, in seconds."""

    field, reason = 'attempts', 'Too many attempts'


class ThrottleCounter(Base):
    """The number of attempts on a target, such as an account, in the current period."""

    __tablename__ = 'core_throttle_counters'
    __table_args__ = (Index(None, 'resets_at'),)

    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    # A hash of the target, so that the table contains no account names and no IP addresses.
    target_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    attempts: Mapped[int]
    resets_at: Mapped[datetime] = mapped_column(UTCDateTime)


@dataclass(frozen=True, kw_only=True)
class AttemptCounter:
    """A limit of attempts per target and period. The creation of an instance registers it.

    The period begins with the first attempt. The page of the feature has a table of its counters.

    :param owner: the module that creates it: `__name__`.
    :param scope: the kind of the targets, such as an account name as typed, a session or a mailbox.
    :param recovery: a sentence for the table: how the owner of the account gets access within 15
        minutes.
    :param command: the operator's command that resets the counter.
    :param targets_per_account: the number of targets with which an attacker can attack one account.
        It is 2 if the username and the email address are two targets; 0 if attempts do not guess a
        secret of an account.
    :raises RegistrationError: if another counter has this name; names both modules.
    """

    name: str
    owner: str
    scope: str
    limit: int
    period: timedelta
    recovery: str
    command: str
    targets_per_account: int = 0

    def __post_init__(self) -> None:
        """Register the counter."""
        _registry.register(self.name, self, owner=self.owner)

    @property
    def attempts_per_account_and_day(self) -> int:
        """Return the number of attempts against an account that are allowed per day."""
        return int(self.targets_per_account * self.limit * DAY / self.period)

    def consume(self, target: str) -> None:
        """Count an attempt. If the limit is reached, raise instead, and do not count it.

        :raises TooManyAttempts: if `limit` attempts in this period are counted already.
        """
        moment, key = now(), _hashed(target)
        # Do not delete in a transaction of the caller: the deleted rows would stay locked until it
        # ends.
        if not in_atomic() and randbelow(ATTEMPTS_PER_CLEANUP) == 0:
            delete_unlocked(ThrottleCounter, ThrottleCounter.resets_at <= moment)
        reset = moment + self.period
        row = {'kind': self.name, 'target_hash': key, 'attempts': 1, 'resets_at': reset}
        values = {**row, 'limit': self.limit, **self._period_of(moment)}
        # A separate transaction, unless the caller has one: one round trip instead of three.
        if not execute_in_own_transaction(_attempt(), values, joins=True):
            BLOCKED.increment(self.name)
            resets_at = execute_select(
                select(ThrottleCounter.resets_at).where(*_is(self.name, key))
            ).scalar_one_or_none()
            # The row is missing if a concurrent cleanup or reset has deleted it. Then the caller
            # may try again after a second.
            wait = ceil((resets_at - moment).total_seconds()) if resets_at else 1
            raise TooManyAttempts(max(1, wait))

    def _period_of(self, moment: datetime) -> dict[str, datetime]:
        """Return the parameters of `_IS_OVER`."""
        return {'moment': moment, 'latest': moment + self.period + MAX_CLOCK_SKEW}

    def refund(self, target: str) -> None:
        """Subtract one attempt after a success. Other attempts stay counted."""
        key = {'name': self.name, 'hash': _hashed(target)}
        execute_in_own_transaction(_REFUND, key, joins=True)

    @atomic()
    def reset(self, target: str) -> bool:
        """Delete the count of a target.

        :returns: whether attempts were counted in the current period.
        """
        deleted = delete(ThrottleCounter).where(*_is(self.name, _hashed(target)))
        found = db.session.execute(
            deleted.returning(ThrottleCounter.attempts, ThrottleCounter.resets_at)
        ).one_or_none()
        return found is not None and found.attempts > 0 and found.resets_at > now()

    def count_of(self, target: str) -> int:
        """Return the number of attempts in the current period."""
        counted = select(ThrottleCounter.attempts).where(
            *_is(self.name, _hashed(target)), ~_IS_OVER
        )
        return execute_select(counted, self._period_of(now())).scalar_one_or_none() or 0


_registry: Registry[AttemptCounter] = Registry('attempt counter')


def attempt_counters() -> list[AttemptCounter]:
    """Return all counters, sorted by name. Importing a feature registers its counters."""
    return list(_registry.values.values())


def _is(kind: Any, key: Any) -> tuple[ColumnElement[bool], ...]:
    return ThrottleCounter.kind == kind, ThrottleCounter.target_hash == key


# Whether a period is over at a moment, or its start is in the future.
_IS_OVER = (ThrottleCounter.resets_at <= bindparam('moment')) | (
    ThrottleCounter.resets_at > bindparam('latest')
)
_REFUND = (
    update(ThrottleCounter)
    .where(*_is(bindparam('name'), bindparam('hash')), ThrottleCounter.attempts > 0)
    .values(attempts=ThrottleCounter.attempts - 1)
)


@cached_statement
def _attempt() -> Any:
    """Return the statement that counts an attempt, and returns a row unless it is rejected."""
    new = new_row(ThrottleCounter)
    return upsert(
        ThrottleCounter,
        conflict=('kind', 'target_hash'),
        change={
            'attempts': case((_IS_OVER, new.attempts), else_=ThrottleCounter.attempts + 1),
            'resets_at': case((_IS_OVER, new.resets_at), else_=ThrottleCounter.resets_at),
        },
        where=_IS_OVER | (ThrottleCounter.attempts < bindparam('limit')),
    ).returning(ThrottleCounter.attempts)


def _hashed(target: str) -> str:
    return sha256(target.encode()).hexdigest()
