"""Security events: actions on accounts, with actor, client and outcome."""

from datetime import datetime
from functools import cache
from uuid import UUID, uuid4

from sqlalchemy import Index, String, Text, bindparam, select
from sqlalchemy.orm import Mapped, mapped_column

from project.auth.rows import EventRow
from project.core.clock import now
from project.core.database.keyset_pagination import Keyset
from project.core.database.session import AnySelect, Base
from project.core.database.types import UTCDateTime


class Event(Base):
    """A security event (ASVS 16.3.1), written in the transaction of the action it records."""

    __tablename__ = 'auth_events'
    __table_args__ = (Index(None, 'user_id', 'created_at'), Index(None, 'created_at'))

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    # The user whose account the event concerns; None for an attempt on an unknown account. It is
    # not a foreign key: the event must be stored even if the account is deleted at the same time.
    user_id: Mapped[int | None] = mapped_column()
    event_type: Mapped[str] = mapped_column(String(48))
    outcome: Mapped[str] = mapped_column(String(16))
    # The actor: `self`, `operator`, `system`, or another user such as `user:7`.
    actor: Mapped[str] = mapped_column(String(32))
    ip_address: Mapped[str] = mapped_column(String(64))
    user_agent: Mapped[str] = mapped_column(String(255))
    request_id: Mapped[str] = mapped_column(String(128))
    # Details as JSON, only displayed. No query searches in them.
    details: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)

    @classmethod
    @cache
    def filtered(cls, names: frozenset[str]) -> AnySelect:
        """Return the SELECT with the filters of the given names; cached per set of names."""
        filters = {
            'user_id': cls.user_id == bindparam('user_id'),
            'kind': cls.event_type == bindparam('kind'),
        }
        return EVENT_SELECT.where(*(filters[name] for name in sorted(names)))


EVENT_SELECT = select(
    Event.id, Event.created_at, Event.event_type.label('kind'), Event.outcome, Event.actor,
    Event.ip_address.label('address'), Event.user_agent, Event.request_id, Event.details,
    Event.user_id,
)  # fmt: skip

EVENTS_OF_USER = EVENT_SELECT.where(Event.user_id == bindparam('user_id'))

EVENTS = Keyset(
    EventRow,
    'auth_events',
    sorts={'created_at': Event.created_at},
    key=Event.id,
    default='-created_at',
)
