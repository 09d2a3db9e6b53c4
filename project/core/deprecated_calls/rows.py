"""The table of requests to deprecated routes: its rows, their limits and their deletion."""

from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Index, String, case, delete, func, select
from sqlalchemy.orm import Mapped, mapped_column

from project.core.clock import now
from project.core.database.cleanup import delete_expired_rows, finish_cleanup
from project.core.database.rows import select_rows
from project.core.database.session import (
    AnySelect,
    Base,
    db,
    execute_in_own_transaction,
    execute_select,
    non_atomic,
)
from project.core.database.types import UTCDateTime
from project.core.database.upsert import new_row, upsert
from project.core.tasks import task

KEPT_DAYS = 180
# The limits of rows per route and day. Further callers, and further agents of a caller, are
# counted together.
MAX_CALLERS = 10_000
MAX_AGENTS_PER_CALLER = 8

# Values of `user_id` that are not ids of users.
ANONYMOUS, OTHER_CALLERS = 0, -1
OTHER_AGENTS = 'others'
MAX_AGENT_CHARACTERS = 32


class DeprecatedCall(Base):
    """The number of requests of a caller to a deprecated route on one day."""

    __tablename__ = 'core_deprecated_calls'
    __table_args__ = (Index(None, 'day'), Index(None, 'user_id'))

    # Method and URL rule, such as `GET /api/v1/files/{file_id}`.
    route: Mapped[str] = mapped_column(String(255), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    # A user, ANONYMOUS or OTHER_CALLERS.
    user_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    # The API key, or an empty text for sessions.
    key_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    # The kind of the client, from `User-Agent`.
    agent: Mapped[str] = mapped_column(String(MAX_AGENT_CHARACTERS), primary_key=True)
    requests: Mapped[int] = mapped_column(BigInteger)
    last_seen: Mapped[datetime] = mapped_column(UTCDateTime)


class Call(NamedTuple):
    """The key of a count: a route, a day and a caller."""

    route: str
    day: date
    user_id: int
    key_id: str
    agent: str


class Caller(NamedTuple):
    """A row of `list_callers`."""

    route: str
    user_id: int
    key_id: str
    agent: str
    requests: int
    last_seen: datetime

    @property
    def caller(self) -> str:
        """Return the kind of the caller: `user`, `key`, `anonymous` or `others`."""
        if self.user_id > 0:
            return 'key' if self.key_id else 'user'
        return 'anonymous' if self.user_id == ANONYMOUS else 'others'


@non_atomic
def add_requests(call: Call, requests: int, last_seen: datetime) -> None:
    """Add a number of requests to the row of a caller.

    Each row has a transaction of its own, so that two processes cannot cause a deadlock.
    """
    new = new_row(DeprecatedCall)
    row = {**_limited(call)._asdict(), 'requests': requests, 'last_seen': last_seen}
    is_later = new.last_seen > DeprecatedCall.last_seen
    change = {
        'requests': DeprecatedCall.requests + new.requests,
        'last_seen': case((is_later, new.last_seen), else_=DeprecatedCall.last_seen),
    }
    execute_in_own_transaction(upsert(DeprecatedCall, row, conflict=Call._fields, change=change))


def _limited(call: Call) -> Call:
    """Return the key under which a call is counted, so that the number of rows is limited.

    Processes that add rows at the same time may exceed the limits by a few rows.
    """
    on_day = DeprecatedCall.route == call.route, DeprecatedCall.day == call.day
    own = DeprecatedCall.user_id == call.user_id, DeprecatedCall.key_id == call.key_id
    agents = execute_select(select(DeprecatedCall.agent).where(*on_day, *own)).scalars().all()
    if call.agent in agents:
        return call
    if len(agents) >= MAX_AGENTS_PER_CALLER:
        return call._replace(agent=OTHER_AGENTS)
    count = select(func.count()).select_from(DeprecatedCall).where(*on_day)
    if not agents and execute_select(count).scalar_one() >= MAX_CALLERS:
        return call._replace(user_id=OTHER_CALLERS, key_id='', agent=OTHER_AGENTS)
    return call


def list_callers(since: date | None = None) -> list[Caller]:
    """Return the callers of deprecated routes, by route, the most frequent first.

    :param since: the first day; None for all stored days.
    """
    row = DeprecatedCall
    requests = func.sum(row.requests)
    found = (
        select(
            row.route, row.user_id, row.key_id, row.agent,
            db.cast(requests, BigInteger).label('requests'),
            func.max(row.last_seen, type_=UTCDateTime).label('last_seen'),
        )
        .group_by(row.route, row.user_id, row.key_id, row.agent)
        .order_by(row.route, requests.desc(), row.user_id, row.key_id, row.agent)
    )  # fmt: skip
    return select_rows(Caller, found if since is None else found.where(row.day >= since))


def export_calls(user_id: int) -> list[Any]:
    """Return the rows about a user, for the export of personal data."""
    row = DeprecatedCall
    columns = row.route, row.day, row.key_id, row.agent, row.requests, row.last_seen
    found = select(*columns).where(row.user_id == user_id)
    return list(execute_select(found.order_by(row.day, row.route, row.key_id, row.agent)))


def delete_calls_of(user_id: int) -> None:
    """Delete the rows about a user. Call it inside `atomic`."""
    db.session.execute(delete(DeprecatedCall).where(DeprecatedCall.user_id == user_id))


def delete_calls_except_of(user_ids: AnySelect) -> None:
    """Delete the rows about all users that a SELECT does not return. Call it inside `atomic`."""
    is_about_user = DeprecatedCall.user_id > 0
    is_missing = DeprecatedCall.user_id.not_in(user_ids)
    db.session.execute(delete(DeprecatedCall).where(is_about_user, is_missing))


@task(idempotent='a second run finds no old rows', queue='slow', cron='37 3 * * *')
def delete_old_calls() -> None:
    """Delete the counts of deprecated routes that are older than 180 days, every night."""
    oldest = now().date() - timedelta(days=KEPT_DAYS)
    finish_cleanup(delete_expired_rows({'deprecated calls': (DeprecatedCall.day, oldest)}))
