"""Users and their roles."""

from collections.abc import Iterable
from datetime import datetime
from functools import cache

from sqlalchemy import (
    ForeignKey,
    Index,
    String,
    Text,
    bindparam,
    func,
    select,
)
from sqlalchemy.orm import Mapped, mapped_column

from project.core.clock import now
from project.core.database.compiled_query import CompiledQuery
from project.core.database.keyset_pagination import Keyset
from project.core.database.session import AnySelect, Base, db, execute_select
from project.core.database.types import UTCDateTime, aggregate_words
from project.core.email_addresses import email_comparison_key
from project.users.permissions import ADMIN
from project.users.rows import ProfileRow, UserRow

ACTIVE, DISABLED = 'active', 'disabled'
# The status of a closed account, whose data a task erases. Queries never return such a user.
DELETED = 'deleted'


def email_key(email: str) -> str:
    """Return the key by which email addresses are compared.

    All spellings of one have the same key.
    """
    return email_comparison_key(email)


class User(Base):
    """A user. The credentials are in the feature `auth`."""

    __tablename__ = 'users'
    __table_args__ = (
        Index(None, 'created_at', 'id'),
        # For the filter `status` with the default order: few users are disabled.
        Index(None, 'status', 'id'),
        # An id is never used again, not even that of the newest user after its deletion.
        {'sqlite_autoincrement': True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(32), unique=True)
    email: Mapped[str] = mapped_column(String(254))
    # The column is longer than that of the email address, because case folding can lengthen a text.
    email_key: Mapped[str] = mapped_column(String(1016), unique=True)
    name: Mapped[str] = mapped_column(String(80), default='')
    bio: Mapped[str] = mapped_column(Text, default='')
    status: Mapped[str] = mapped_column(String(16), default=ACTIVE)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    last_login: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # The storage key of the avatar, and its size in bytes.
    avatar: Mapped[str | None] = mapped_column(String(128), unique=True)
    avatar_size: Mapped[int | None] = mapped_column()

    @classmethod
    def find(cls, user_id: int) -> UserRow | None:
        """Return the user with an id, or None."""
        return USER_BY_ID.first(id=user_id)

    @classmethod
    def find_by_username(cls, username: str) -> UserRow | None:
        """Return the user with a username, which may be in upper or lower case; or None."""
        return USER_BY_USERNAME.first(username=username.lower())

    @classmethod
    def find_by_login(cls, login: str) -> UserRow | None:
        """Return the user with a username or an email address, or None.

        A text with an `@` is an email address, because usernames never contain an `@`.
        """
        if '@' not in login:
            return cls.find_by_username(login)
        return USER_BY_EMAIL.first(email_key=email_key(login))

    @classmethod
    def find_profile(cls, username: str) -> ProfileRow | None:
        """Return the public profile of the active user with a username, or None."""
        return USER_PROFILE.first(username=username.lower())

    @classmethod
    def find_avatar_key(cls, user_id: int) -> str | None:
        """Return the storage key of a user's avatar, or None."""
        found = execute_select(select(cls.avatar).where(cls.id == user_id))
        return found.scalar_one_or_none()

    @classmethod
    def lock(cls, user_ids: Iterable[int]) -> None:
        """Lock users in the order of their ids until the transaction ends.

        The lock is FOR NO KEY UPDATE. FOR UPDATE could deadlock with transactions that have
        inserted a row with a foreign key to the user.
        """
        locked = select(cls.id).where(cls.id.in_(user_ids)).order_by(cls.id)
        execute_select(locked.with_for_update(key_share=True))

    @classmethod
    def lock_for_deletion(cls, user_id: int) -> None:
        """Lock a user so that no other transaction can insert a row that references the user."""
        execute_select(select(cls.id).where(cls.id == user_id).with_for_update())

    @classmethod
    def is_closed(cls, user_id: int) -> bool:
        """Return whether a user is deleted, but a part of the user's data is not erased yet."""
        closed = select(cls.id).where(cls.id == user_id, cls.status == DELETED)
        return execute_select(closed).one_or_none() is not None

    @staticmethod
    def closed_values(user_id: int) -> dict[str, object]:
        """Return the values that replace the personal data in the row of a deleted user.

        `username` and `email_key` stay unique: those of other users never begin with a tilde.
        """
        return {
            'username': f'~{user_id}', 'email': '', 'email_key': f'~{user_id}', 'name': '',
            'bio': '', 'status': DELETED, 'last_login': None, 'avatar': None,
            'avatar_size': None,
        }  # fmt: skip

    @classmethod
    def count_by_status(cls) -> dict[str, int]:
        """Return the number of users by status."""
        found = select(cls.status, func.count().label('users')).where(cls.status != DELETED)
        rows = db.session.execute(found.group_by(cls.status))
        return {row.status: row.users for row in rows}

    @classmethod
    @cache
    def filtered(cls, names: frozenset[str]) -> AnySelect:
        """Return the SELECT of users with the named filters; cached per set of names."""
        holders = select(UserRole.user_id).where(UserRole.role == bindparam('role'))
        filters = {
            'email': cls.email_key == bindparam('email'),
            'username': cls.username == bindparam('username'),
            'status': cls.status == bindparam('status'),
            'role': cls.id.in_(holders),
        }
        return USER_SELECT.where(*(filters[name] for name in sorted(names)))


class UserRole(Base):
    """An assignment of a role to a user."""

    __tablename__ = 'users_roles'
    __table_args__ = (Index(None, 'role', 'user_id'),)

    user_id: Mapped[int] = mapped_column(
        ForeignKey('users.id', ondelete='CASCADE'), primary_key=True
    )
    role: Mapped[str] = mapped_column(
        ForeignKey('users_role_permissions.name', ondelete='CASCADE'), primary_key=True
    )

    @classmethod
    def is_admin(cls, user_id: int) -> bool:
        """Return whether a user has the role `admin`."""
        found = select(cls.user_id).where(cls.user_id == user_id, cls.role == ADMIN)
        return execute_select(found).one_or_none() is not None

    @classmethod
    def find_active_admins(cls) -> list[int]:
        """Return the ids of active admins, but at most two."""
        admins = select(cls.user_id).join(User, User.id == cls.user_id)
        admins = admins.where(cls.role == ADMIN, User.status == ACTIVE)
        return list(execute_select(admins.order_by(cls.user_id).limit(2)).scalars())


ROLES_COLUMN = (
    select(aggregate_words(UserRole.role))
    .where(UserRole.user_id == User.id)
    .correlate(User)
    .scalar_subquery()
    .label('roles')
)

# Select columns instead of entities, because rows that are only read need no identity map.
USER_SELECT = select(
    User.id, User.username, User.email, User.name, User.bio, User.status, User.version,
    User.created_at, User.updated_at, ROLES_COLUMN,
).where(User.status != DELETED)  # fmt: skip

USER_BY_ID = CompiledQuery(UserRow, USER_SELECT.where(User.id == bindparam('id')))
USER_BY_USERNAME = CompiledQuery(UserRow, USER_SELECT.where(User.username == bindparam('username')))
USER_BY_EMAIL = CompiledQuery(UserRow, USER_SELECT.where(User.email_key == bindparam('email_key')))

USER_PROFILE = CompiledQuery(
    ProfileRow,
    select(
        User.username,
        User.name,
        User.bio,
        User.last_login,
        User.avatar.label('profile_image'),
    ).where(User.username == bindparam('username'), User.status == ACTIVE),
)

USERS = Keyset(
    UserRow,
    'users',
    sorts={'id': User.id, 'username': User.username, 'created_at': User.created_at},
    key=User.id,
    default='id',
)
