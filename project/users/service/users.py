"""Users: lookup, creation, changes and status.

The argument `by` is the principal of the request, or None for an operator on the command line.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import insert, update

from project.core.clock import now
from project.core.database.constraints import translate_unique_violations
from project.core.database.keyset_pagination import Page, PageRequest
from project.core.database.retries import repeatable
from project.core.database.session import atomic, db, locks_user
from project.core.security.principal import Principal
from project.core.version_preconditions import ANY_VERSION, Precondition
from project.users.errors import (
    EmailTaken,
    NoSuchUsername,
    UsernameInvalid,
    UsernameReserved,
    UsernameTaken,
    UserNotFound,
)
from project.users.models import ACTIVE, DISABLED, USERS, User, UserRole, email_key
from project.users.name_patterns import RESERVED_USERNAMES, USERNAME
from project.users.permissions import MEMBER
from project.users.rows import ProfileRow, UserRow
from project.users.signals import (
    user_disabled,
    user_email_changed,
    user_enabled,
    username_changed,
    users_created,
)

from .authorization import (
    check_roles,
    ensure_can_update,
    ensure_not_last_admin,
    update_user_row,
)


def list_users(page: PageRequest) -> Page[UserRow]:
    """Return a page of users."""
    values = dict(page.filters)
    if 'email' in values:
        values['email'] = email_key(values['email'])
    if 'username' in values:
        values['username'] = values['username'].lower()
    return USERS.page(User.filtered(frozenset(values)), page, **values)


def get_user(user_id: int) -> UserRow:
    """Return the user with an id.

    :raises UserNotFound: if the user does not exist.
    """
    user = User.find(user_id)
    if user is None:
        raise UserNotFound
    return user


def find_user(user_id: int) -> UserRow | None:
    """Return the user with an id, or None."""
    return User.find(user_id)


def get_user_by_login(login: str) -> UserRow:
    """Return the user with a username or an email address.

    :raises UserNotFound: if the user does not exist.
    """
    user = find_user_by_login(login)
    if user is None:
        raise UserNotFound
    return user


def find_user_by_login(login: str) -> UserRow | None:
    """Return the user with a username or an email address, or None."""
    return User.find_by_login(login)


def require_username_exists(username: str) -> None:
    """Ensure that a user has this username, even if the user is disabled.

    :raises NoSuchUsername: if no user has it.
    """
    if User.find_by_username(username) is None:
        raise NoSuchUsername


def get_profile(username: str) -> ProfileRow:
    """Return the public profile of an active user.

    :raises NoSuchUsername: if no active user has this username.
    """
    profile = User.find_profile(username)
    if profile is None:
        raise NoSuchUsername
    return profile


def validate_new_username(username: str) -> str:
    """Return a new username in lower case, after a check that it can be used.

    :raises UsernameInvalid: if it does not match the pattern of usernames.
    :raises UsernameReserved: if it is reserved.
    :raises UsernameTaken: if a user has it.
    """
    username = _new_username(username)
    if User.find_by_username(username) is not None:
        raise UsernameTaken
    return username


@atomic()
def create_user(
    *,
    username: str,
    email: str,
    name: str = '',
    bio: str = '',
    roles: Iterable[str] = (MEMBER,),
    invite: bool = False,
    by: Principal | None = None,
) -> UserRow:
    """Create a user who cannot log in until the feature `auth` has stored a credential.

    :param invite: whether `auth` sends an invitation.
    :raises ApiError: if the username or email address is invalid, reserved or taken.
    :raises RoleUnknown: if a role does not exist.
    :raises PrivilegeEscalation: if a role has a permission that `by` lacks.
    """
    roles = check_roles(roles, by=by)
    user = User(
        username=_new_username(username),
        email=email,
        email_key=email_key(email),
        name=name,
        bio=bio,
    )
    with translate_unique_violations(username=UsernameTaken, email_key=EmailTaken):
        db.session.add(user)
    db.session.execute(insert(UserRole), [{'user_id': user.id, 'role': role} for role in roles])
    users_created.send('users', user_ids=[user.id], invite=invite, by=by.user_id if by else None)
    return get_user(user.id)


@repeatable
@locks_user('user_id')
def update_user(
    user_id: int,
    changes: Mapping[str, Any],
    *,
    by: Principal | None = None,
    expected: Precondition = ANY_VERSION,
) -> UserRow:
    """Change the given fields of a user. Concurrent changes of other fields are kept.

    :param expected: the condition on the ETag of the user (`If-Match`).
    :raises UserNotFound: if the user does not exist.
    :raises UserChanged: if the user does not meet the condition.
    :raises PrivilegeEscalation: if `by` lacks a permission that the change needs.
    :raises OwnEmailAddress: if `by` would change their own email address.
    :raises ReauthenticationRequired: if `by` would change their own username without a fresh login.
    :raises ApiError: if the username or email address is invalid, reserved or taken.
    """
    before = get_user(user_id)
    ensure_can_update(by, before, changes)
    values = dict(changes)
    if 'username' in values:
        values['username'] = _new_username(values['username'])
    if 'email' in values:
        values['email_key'] = email_key(values['email'])
    with translate_unique_violations(username=UsernameTaken, email_key=EmailTaken):
        update_user_row(user_id, values, expected)
    user = get_user(user_id)
    if before.email != user.email:
        who = by.user_id if by else None
        user_email_changed.send('users', user_id=user_id, was=before.email, by=who)
    if before and before.username != user.username:
        username_changed.send('users', user_id=user_id, by=by.user_id if by else None)
    return user


@locks_user('user_id')
def change_email(user_id: int, email: str) -> UserRow:
    """Set the email address of a user. The caller must have verified it.

    :raises EmailTaken: if another user has it.
    """
    before = get_user(user_id)
    with translate_unique_violations(email_key=EmailTaken):
        update_user_row(user_id, {'email': email, 'email_key': email_key(email)})
    user_email_changed.send('users', user_id=user_id, was=before.email, by=user_id)
    return get_user(user_id)


@repeatable
@locks_user('user_id')
def disable_user(user_id: int) -> None:
    """Disable a user. After the commit, no process accepts a credential of the user.

    :raises UserNotFound: if the user does not exist.
    :raises LastAdmin: if no other admin would remain.
    """
    get_user(user_id)
    ensure_not_last_admin(user_id)
    update_user_row(user_id, {'status': DISABLED})
    user_disabled.send('users', user_id=user_id)


@repeatable
@locks_user('user_id')
def enable_user(user_id: int) -> None:
    """Enable a disabled user.

    :raises UserNotFound: if the user does not exist.
    """
    update_user_row(user_id, {'status': ACTIVE})
    user_enabled.send('users', user_id=user_id)


def is_active(user_id: int) -> bool:
    """Return whether a user exists and is active.

    If the transaction has locked the user (`atomic(locking=…)`), the result does not change until
    the transaction ends.
    """
    user = User.find(user_id)
    return user is not None and user.status == ACTIVE


@atomic()
def record_login(user_id: int) -> bool:
    """Store the time of a login; return whether the user is active."""
    active = update(User).where(User.id == user_id, User.status == ACTIVE).values(last_login=now())
    return db.session.execute(active.returning(User.id)).one_or_none() is not None


def user_stats() -> dict[str, int]:
    """Return the number of users by status."""
    return {ACTIVE: 0, DISABLED: 0} | User.count_by_status()


def _new_username(username: str) -> str:
    username = username.lower()
    if not re.fullmatch(USERNAME, username):
        raise UsernameInvalid
    if username in RESERVED_USERNAMES:
        raise UsernameReserved
    return username
