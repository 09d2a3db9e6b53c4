"""Passwords, registrations, PINs, invitations and changes of email addresses."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy.orm import Mapped, aliased, mapped_column

from project.auth.rows import (
    EmailChangeRow,
    InvitationRow,
    LoginHashRow,
    PasswordHashRow,
    RegistrationRow,
)
from project.core.clock import MAX_CLOCK_SKEW, now
from project.core.database.compiled_query import CompiledQuery
from project.core.database.rows import select_row
from project.core.database.session import Base, db, execute_select
from project.core.database.types import UTCDateTime, WordList
from project.users.models import User


class Credential(Base):
    """A user's password, hashed with argon2id."""

    __tablename__ = 'auth_credentials'

    user_id: Mapped[int] = mapped_column(ForeignKey('users.id'), primary_key=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    changed_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    # None if the password never expires. A generated password expires (ASVS 6.4.1).
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime, index=True)

    @classmethod
    def was_changed_after(cls, user_id: int, moment: datetime) -> bool:
        """Return whether a user's password was set after `moment`.

        The result is False if the stored time is in the future: a wrong clock has set it.
        """
        changed = (cls.changed_at > moment) & (cls.changed_at <= now() + MAX_CLOCK_SKEW)
        later = select(cls.user_id).where(cls.user_id == user_id, changed)
        return execute_select(later).one_or_none() is not None

    @classmethod
    def find_hash(cls, user_id: int) -> str | None:
        """Return the hash of a user's password, even an expired one; None without a password."""
        found = PASSWORD_HASH_OF_USER.first(user_id=user_id)
        return found.password_hash if found else None

    @classmethod
    def find_valid_hash(cls, user_id: int) -> str | None:
        """Return the hash of a user's password; None if it is missing or has expired."""
        found = PASSWORD_HASH_OF_USER.first(user_id=user_id)
        return found.password_hash if found and _is_valid(found) else None

    @classmethod
    def find_hash_for_login(cls, user_id: int, place: int) -> tuple[str | None, str | None]:
        """Return the password hash of a user, and a reference hash.

        Every login runs this statement and verifies one hash. If the user or the password does not
        exist, the caller verifies a dummy hash that is as expensive as the reference hash. So the
        duration of a login does not reveal whether the user exists.

        :param place: a number below 2³¹ that selects the user whose hash is the reference. Pass the
            same number for each login with the same name.
        :returns: the password hash, or None if the user's password is missing or expired; and the
            reference hash, or None if no user has a password.
        """
        hashes = {row.user_id: row for row in HASHES_FOR_LOGIN.all(user_id=user_id, place=place)}
        own = hashes.pop(user_id, None)
        if own is None:
            return None, next((row.password_hash for row in hashes.values()), None)
        return own.password_hash if _is_valid(own) else None, own.password_hash

    @classmethod
    def lock_password_hash(cls, user_id: int) -> str | None:
        """Return a user's password hash. Lock it and the user until the transaction ends."""
        stored = select(cls.password_hash).select_from(User).join(cls, cls.user_id == User.id)
        # Lock the user's row first: the deletion of a user takes both locks in the same order.
        locked = stored.where(User.id == user_id).with_for_update(key_share=True)
        return db.session.scalar(locked)


class Registration(Base):
    """A registration that the user has not confirmed with its PIN yet. It reserves the username."""

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
    def find_pending(cls, key: str) -> list['Registration']:
        """Return the pending registrations of an email address, newest first.

        There are at most 20: the limit is ten registrations a day, and those of the previous day
        may still be valid.
        """
        waiting = select(cls).where(cls.email_key == key, cls.expires_at > now())
        return list(db.session.scalars(waiting.order_by(cls.created_at.desc()).limit(20)))

    @classmethod
    def find_by_username(cls, username: str) -> RegistrationRow | None:
        """Return the pending registration with a username."""
        return PENDING_REGISTRATION.first(username=username.lower(), moment=now())


class Pin(Base):
    """The newest PIN or code for a purpose and an email address, stored as an HMAC.

    Two spellings of an email address with the same `email_key` may be two mailboxes. So a PIN for
    one spelling never replaces the PIN for the other spelling.
    """

    __tablename__ = 'auth_pins'

    purpose: Mapped[str] = mapped_column(String(32), primary_key=True)
    email: Mapped[str] = mapped_column(String(254), primary_key=True)
    email_key: Mapped[str] = mapped_column(String(1016), index=True)
    code_hmac: Mapped[bytes] = mapped_column(LargeBinary(32))
    # None for a code of 80 bits, which allows unlimited attempts. A PIN allows five.
    attempts_left: Mapped[int | None]
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)

    @classmethod
    def find_codes(cls, purpose: str, emails: Iterable[str]) -> dict[str, bytes]:
        """Return the HMACs of valid codes by email address. PINs are not included."""
        code = select(cls.email, cls.code_hmac).where(cls.purpose == purpose, cls.email.in_(emails))
        valid = code.where(cls.attempts_left.is_(None), cls.expires_at > now())
        return {row.email: row.code_hmac for row in execute_select(valid)}


class Invitation(Base):
    """The newest invitation of an email address, with the SHA-256 of its code."""

    __tablename__ = 'auth_invitations'

    email_key: Mapped[str] = mapped_column(String(1016), primary_key=True)
    email: Mapped[str] = mapped_column(String(254))
    roles: Mapped[list[str]] = mapped_column(WordList)
    # A plain hash, not an HMAC: 80 random bits need no key, and invitations stay valid after a
    # change of SECRET_KEY.
    code_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    # The user who sent the invitation; None if an operator did. This user must still hold the
    # permissions of the roles when the invitation is accepted.
    invited_by: Mapped[int | None] = mapped_column(ForeignKey('users.id'), index=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)

    @classmethod
    def find_pending(cls, key: str) -> InvitationRow | None:
        """Return the invitation of an email address; None if it is missing or has expired.

        :param key: the `email_key` of the email address.
        """
        pending = select(cls.email, cls.email_key, cls.code_hash, cls.roles, cls.invited_by)
        return select_row(
            InvitationRow, pending.where(cls.email_key == key, cls.expires_at > now())
        )


class EmailChange(Base):
    """A new email address that a user requested and has not confirmed with its PIN yet."""

    __tablename__ = 'auth_email_changes'

    user_id: Mapped[int] = mapped_column(ForeignKey('users.id'), primary_key=True)
    email: Mapped[str] = mapped_column(String(254))
    email_key: Mapped[str] = mapped_column(String(1016))
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)

    @classmethod
    def find_pending(cls, user_id: int) -> EmailChangeRow | None:
        """Return the pending new email address of a user."""
        wish = select(cls.email, cls.email_key)
        return select_row(
            EmailChangeRow, wish.where(cls.user_id == user_id, cls.expires_at > now())
        )


def _is_valid(credential: PasswordHashRow | LoginHashRow) -> bool:
    return credential.expires_at is None or credential.expires_at > now()


PASSWORD_HASH_OF_USER = CompiledQuery(
    PasswordHashRow,
    select(Credential.password_hash, Credential.expires_at).where(
        Credential.user_id == bindparam('user_id')
    ),
)

# Map `place` to a user: compute `place % 2**n`, for the largest n whose result does not exceed the
# highest user id. The user with this id, or with the next higher id, has the reference hash. When
# users are added, few values of `place` are mapped to another user.
_last, _other = aliased(Credential), aliased(Credential)
_last_id = select(func.max(_last.user_id).label('id')).subquery().c.id
_remainders = [
    bindparam('place', type_=BigInteger()) % literal_column(str(1 << bits))
    for bits in range(31, 0, -1)
]
_place = select(
    case(*((remainder <= _last_id, remainder) for remainder in _remainders), else_=0)
).scalar_subquery()

HASHES_FOR_LOGIN = CompiledQuery(
    LoginHashRow,
    select(Credential.user_id, Credential.password_hash, Credential.expires_at).where(
        or_(
            Credential.user_id == bindparam('user_id', type_=Integer()),
            Credential.user_id
            == select(func.min(_other.user_id)).where(_other.user_id >= _place).scalar_subquery(),
        )
    ),
)

PENDING_REGISTRATION = CompiledQuery(
    RegistrationRow,
    select(
        Registration.username, Registration.email, Registration.email_key, Registration.name,
        Registration.password_hash, Registration.created_at, Registration.expires_at,
    ).where(
        Registration.username == bindparam('username'),
        Registration.expires_at > bindparam('moment', type_=UTCDateTime()),
    )
)  # fmt: skip
