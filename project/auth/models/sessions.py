"""Sessions, and the known devices of users."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Uuid, bindparam, select
from sqlalchemy.orm import Mapped, mapped_column

from project.auth.rows import (
    DeviceRow,
    ListedSessionRow,
    LiveSessionRow,
    SeenDeviceRow,
    SessionFamilyRow,
)
from project.core.clock import now
from project.core.database.compiled_query import CompiledQuery
from project.core.database.keyset_pagination import Keyset
from project.core.database.session import Base
from project.core.database.types import UTCDateTime
from project.users.models import USER_SELECT, User


class Device(Base):
    """A known device: a client with which its owner has logged in before.

    It has separate attempt counters.
    """

    __tablename__ = 'auth_devices'
    __table_args__ = (Index(None, 'user_id', 'last_used_at'),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[int] = mapped_column(ForeignKey('users.id'))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    network: Mapped[str] = mapped_column(String(64))
    user_agent: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    last_used_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    # Whether a login from this device has included a right second factor.
    has_passed_second_factor: Mapped[bool] = mapped_column(default=False)

    @classmethod
    def find_live(cls, user_id: int, token_hash: str) -> DeviceRow | None:
        """Return the known device of a user by the hash of its token, or None."""
        return LIVE_DEVICE.first(user_id=user_id, token_hash=token_hash, moment=now())

    @classmethod
    def find_all(cls, user_id: int) -> list[SeenDeviceRow]:
        """Return the id, network and user agent of all devices of a user, last used first."""
        return DEVICES_OF_USER.all(user_id=user_id)


class Session(Base):
    """A session: an access token valid for one hour, and a refresh token.

    The row keeps the hash of the previous refresh token. For ten seconds after a refresh, it also
    keeps the response, encrypted under the previous refresh token, for repeated requests.
    """

    __tablename__ = 'auth_sessions'
    __table_args__ = (Index(None, 'user_id', 'created_at'), Index(None, 'refresh_expires_at'))

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[int] = mapped_column(ForeignKey('users.id'))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    # Hash of the prefix that all refresh tokens of a session share. With it, even a used refresh
    # token identifies its session.
    family_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    refresh_hash: Mapped[str | None] = mapped_column(String(64))
    previous_token_hash: Mapped[str | None] = mapped_column(String(64), index=True)
    previous_refresh_hash: Mapped[str | None] = mapped_column(String(64))
    grace_response_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary)
    refreshed_at: Mapped[datetime | None] = mapped_column(UTCDateTime, index=True)
    ip_address: Mapped[str] = mapped_column(String(64))
    user_agent: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    authenticated_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    last_used_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    # When the session expires without a refresh, and when it expires in any case.
    refresh_expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    absolute_expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    device_id: Mapped[UUID | None] = mapped_column(
        ForeignKey('auth_devices.id', ondelete='SET NULL'), index=True
    )

    @classmethod
    def find_live(cls, token_hash: str) -> LiveSessionRow | None:
        """Return the session, user and roles of a token. The guard needs only this SELECT."""
        return LIVE_SESSION.first(token_hash=token_hash, moment=now())

    @classmethod
    def find_live_by_id(cls, session_id: UUID) -> LiveSessionRow | None:
        """Return the session with an id, with the same columns as `find_live`.

        The session must be refreshable; its access token may have expired.
        """
        return LIVE_SESSION_BY_ID.first(session_id=session_id, moment=now())

    @classmethod
    def find_just_refreshed(
        cls, token_hash: str, window: tuple[datetime, datetime]
    ) -> LiveSessionRow | None:
        """Return the session of an access token that a refresh has replaced, or None.

        The row has the same columns as that of `find_live`.

        :param window: the earliest and the latest time of the refresh.
        """
        return JUST_REFRESHED.first(token_hash=token_hash, since=window[0], until=window[1])

    @classmethod
    def find_family(cls, family_hash: str) -> SessionFamilyRow | None:
        """Return the session to which a refresh token belongs, by the hash of its prefix."""
        return SESSION_FAMILY.first(family_hash=family_hash)


_moment = bindparam('moment', type_=UTCDateTime())

LIVE_DEVICE = CompiledQuery(
    DeviceRow,
    select(Device.id, Device.has_passed_second_factor).where(
        Device.token_hash == bindparam('token_hash'),
        Device.user_id == bindparam('user_id'),
        Device.expires_at > _moment,
    ),
)

DEVICES_OF_USER = CompiledQuery(
    SeenDeviceRow,
    select(Device.id, Device.network, Device.user_agent)
    .where(Device.user_id == bindparam('user_id'))
    .order_by(Device.last_used_at.desc(), Device.id),
)

# The query includes all columns of users that responses contain, so that `GET /users/me` needs no
# second SELECT.
_named = USER_SELECT.add_columns(
    Session.id.label('session_id'), Session.authenticated_at, Session.last_used_at
).join(Session, User.id == Session.user_id)

LIVE_SESSION = CompiledQuery(
    LiveSessionRow,
    _named.where(Session.token_hash == bindparam('token_hash'), Session.expires_at > _moment),
)

LIVE_SESSION_BY_ID = CompiledQuery(
    LiveSessionRow,
    _named.where(
        Session.id == bindparam('session_id', type_=Uuid()), Session.refresh_expires_at > _moment
    ),
)

JUST_REFRESHED = CompiledQuery(
    LiveSessionRow,
    _named.where(
        Session.previous_token_hash == bindparam('token_hash'),
        Session.refreshed_at > bindparam('since', type_=UTCDateTime()),
        Session.refreshed_at <= bindparam('until', type_=UTCDateTime()),
    ),
)

SESSION_FAMILY = CompiledQuery(
    SessionFamilyRow,
    select(
        Session.id, Session.user_id, Session.refresh_hash, Session.previous_refresh_hash,
        Session.grace_response_encrypted, Session.refreshed_at, Session.refresh_expires_at,
    ).where(Session.family_hash == bindparam('family_hash'))
)  # fmt: skip

# `current` marks the session of the request. `expires_at` is the expiry without a refresh.
SESSIONS_OF_USER = select(
    Session.id, Session.created_at, Session.last_used_at, Session.ip_address.label('address'),
    Session.user_agent, Session.refresh_expires_at.label('expires_at'),
    (Session.id == bindparam('current')).label('current'),
).where(Session.user_id == bindparam('user_id'), Session.refresh_expires_at > _moment)  # fmt: skip

SESSIONS = Keyset(
    ListedSessionRow,
    'auth_sessions',
    sorts={'created_at': Session.created_at, 'last_used_at': Session.last_used_at},
    key=Session.id,
    default='-created_at',
)
