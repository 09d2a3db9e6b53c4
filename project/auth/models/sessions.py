"""The tables of auth. None holds a secret in the clear."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, Index, LargeBinary, String, bindparam, select
from sqlalchemy.orm import Mapped, mapped_column

from project.core.clock import now
from project.core.data.database import AnyRow, Base, db
from project.core.data.keyset import Keyset
from project.core.data.reading import Query
from project.core.data.types import UTCDateTime
from project.users.models import SHOWN, User


class Credential(Base):
    """A user's password, hashed with argon2id."""

    __tablename__ = 'auth_credentials'

    user_id: Mapped[int] = mapped_column(ForeignKey('users.id'), primary_key=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    changed_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)

    @classmethod
    def find_hash(cls, user_id: int) -> str | None:
        """Return the hash of a user's password, if they have one."""
        return db.session.scalar(select(cls.password_hash).where(cls.user_id == user_id))

    @classmethod
    def lock_hash(cls, user_id: int) -> str | None:
        """Return a user's hash; neither it nor they can change until the transaction ends."""
        stored = select(cls.password_hash).select_from(User).join(cls, cls.user_id == User.id)
        # The user first, in the order in which whoever deletes them takes both.
        return db.session.scalar(stored.where(User.id == user_id).with_for_update())


class Session(Base):
    """A login, known by the hash of its token."""

    __tablename__ = 'auth_sessions'
    __table_args__ = (Index(None, 'user_id', 'created_at'), Index(None, 'expires_at'))

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[int] = mapped_column(ForeignKey('users.id'))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    address: Mapped[str] = mapped_column(String(64))
    user_agent: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    authenticated_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    last_used_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)

    @classmethod
    def find_live(cls, token_hash: str) -> AnyRow | None:
        """Return session, user and roles behind a token, in the one select that the guard costs."""
        return LIVE.first(token_hash=token_hash, moment=now())


class Registration(Base):
    """An account that waits for its PIN. It reserves its username until then."""

    __tablename__ = 'auth_registrations'
    __table_args__ = (Index(None, 'email_key', 'created_at'),)

    username: Mapped[str] = mapped_column(String(32), primary_key=True)
    email: Mapped[str] = mapped_column(String(254))
    email_key: Mapped[str] = mapped_column(String(1016))
    name: Mapped[str] = mapped_column(String(80))
    password_hash: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)

    @classmethod
    def find_waiting(cls, key: str) -> list['Registration']:
        """Return the registrations that wait for an address, newest first.

        All of them: ten a day, the bound of registrations, can meet ten of the day before.
        """
        waiting = select(cls).where(cls.email_key == key, cls.expires_at > now())
        return list(db.session.scalars(waiting.order_by(cls.created_at.desc()).limit(20)))

    @classmethod
    def find_by_username(cls, username: str) -> 'Registration | None':
        """Return the registration that waits under a username."""
        return db.session.scalar(
            select(cls).where(cls.username == username.lower(), cls.expires_at > now())
        )


class Pin(Base):
    """The newest PIN for a purpose and an address, as an HMAC; one more makes the last one void."""

    __tablename__ = 'auth_pins'

    purpose: Mapped[str] = mapped_column(String(32), primary_key=True)
    email_key: Mapped[str] = mapped_column(String(1016), primary_key=True)
    mac: Mapped[bytes] = mapped_column(LargeBinary(32))
    tries_left: Mapped[int]
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


_moment = bindparam('moment', type_=UTCDateTime())

# With all that is shown of users: who only asks for themselves needs no second SELECT.
LIVE = Query(
    SHOWN.add_columns(
        Session.id.label('session_id'), Session.authenticated_at, Session.last_used_at
    )
    .join(Session, User.id == Session.user_id)
    .where(Session.token_hash == bindparam('token_hash'), Session.expires_at > _moment)
)

# `current` is the session that asks.
OF_USER = select(
    Session.id, Session.created_at, Session.last_used_at, Session.address, Session.user_agent,
    Session.expires_at, (Session.id == bindparam('current')).label('current'),
).where(Session.user_id == bindparam('user_id'), Session.expires_at > _moment)  # fmt: skip

SESSIONS = Keyset(
    'sessions',
    sorts={'created_at': Session.created_at, 'last_used_at': Session.last_used_at},
    key=Session.id,
    default='-created_at',
)
