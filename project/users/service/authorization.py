"""Authorization of actions of one user on another."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import update

from project.core.clock import now
from project.core.database.session import db
from project.core.errors import ReauthenticationRequired
from project.core.security.permissions import default_permissions
from project.core.security.principal import Principal
from project.core.version_preconditions import ANY_VERSION, Precondition
from project.users.errors import (
    LastAdmin,
    OwnEmailAddress,
    PrivilegeEscalation,
    RoleUnknown,
    UserChanged,
    UserNotFound,
)
from project.users.models import ACTIVE, DELETED, RoleDefinition, User, UserRole, permissions_of
from project.users.permissions import ADMIN, BUILT_IN, WRITE
from project.users.rows import etag_parts

# The fields that users may change in their own row. Changes of other fields need `users:write`.
OWN_FIELDS = frozenset(['name', 'bio'])


def lock_users(user_ids: Collection[int]) -> None:
    """Lock the rows of users, in the order of their ids, until the transaction ends.

    All changes of a user or a credential take this lock first: use `atomic(locking=[…])`, which
    also locks the caller of the request.
    """
    User.lock(sorted(user_ids))


def find_permissions(user_id: int) -> frozenset[str]:
    """Return the current permissions of a user; none if the user is not active.

    Tasks and the acceptance of an invitation use it: they act for a user who is not the caller.
    They check the permissions that this user has now, not those at the time of the request.
    """
    user = User.find(user_id)
    return permissions_of(user.roles) if user and user.status == ACTIVE else frozenset()


def check_roles(roles: Iterable[str], *, by: Principal | None = None) -> set[str]:
    """Return the roles as a set, after a check that `by` may grant them.

    Call it inside `atomic`.

    The roles are share-locked, so that they exist until the transaction ends.

    :raises RoleUnknown: if a role is not defined.
    :raises PrivilegeEscalation: if a role has a permission that `by` does not have.
    """
    wanted = set(roles)
    if RoleDefinition.lock_for_share(wanted) != wanted:
        raise RoleUnknown
    ensure_can_manage_roles(by, wanted)
    return wanted


def ensure_can_manage_roles(by: Principal | None, roles: Iterable[str]) -> None:
    """Ensure that `by` has every permission of the roles.

    :raises PrivilegeEscalation: if `by` lacks a permission.
    """
    ensure_holds_permissions(by, permissions_of(roles))


def ensure_holds_permissions(by: Principal | None, permissions: Iterable[str]) -> None:
    """Ensure that `by` has all permissions of a user on whom it acts, except the default ones.

    Default permissions are not compared, because all users have them. So an API key with only
    `users:delete` can delete ordinary users.

    :param permissions: the permissions of the other user.
    :raises PrivilegeEscalation: if `by` lacks a permission.
    """
    ensure_holds_all_permissions(by, set(permissions) - default_permissions())


def ensure_holds_all_permissions(by: Principal | None, permissions: Iterable[str]) -> None:
    """Ensure that `by` has all given permissions; an operator (None) has all.

    Call it before another person or program gets these permissions: by a new API key, a share link
    or another email address.

    :raises PrivilegeEscalation: if `by` lacks a permission.
    """
    if by is not None and not by.permissions >= set(permissions):
        raise PrivilegeEscalation


def may_grant(user_id: int, permissions: Iterable[str]) -> bool:
    """Return whether a user currently has all given permissions, not counting default ones."""
    return find_permissions(user_id) >= set(permissions) - default_permissions()


def ensure_can_update(by: Principal | None, user: Any, changes: Mapping[str, Any]) -> None:
    """Ensure that `by` may make these changes of a user.

    :raises PrivilegeEscalation: if `by` lacks a permission.
    :raises OwnEmailAddress: if the caller would change their own email address.
    :raises ReauthenticationRequired: if the caller would change their own username, and the login
        is not fresh (ASVS 7.5.1).
    """
    if by is None:
        return
    if not by.has_permission(WRITE) and not OWN_FIELDS.issuperset(changes):
        raise PrivilegeEscalation
    is_own = by.user_id == user.id
    if not is_own:
        ensure_can_manage_roles(by, user.roles)
    elif changes.get('username', user.username) != user.username and not by.is_fresh():
        raise ReauthenticationRequired
    if changes.get('email', user.email) != user.email:
        if is_own:
            raise OwnEmailAddress
        # The owner of the new mailbox can reset the password, and so gets all permissions of the
        # user.
        ensure_holds_all_permissions(by, permissions_of(user.roles))


def ensure_can_delete(by: Principal | None, user: Any) -> None:
    """Ensure that `by` may delete a user.

    :raises PrivilegeEscalation: if the user has a permission that `by` lacks.
    :raises ReauthenticationRequired: if the user is the caller, and the login is not fresh.
    """
    ensure_can_manage_roles(by, user.roles)
    if by is not None and by.user_id == user.id and not by.is_fresh():
        raise ReauthenticationRequired


def ensure_not_last_admin(user_id: int) -> None:
    """Ensure that, without this user, there is another active admin.

    Call it inside `atomic`, with the user locked. The function locks the row of the role `admin`,
    so that transactions which remove an admin wait for each other. If it locked the rows of all
    admins instead, two transactions could deadlock, because each has locked its own user before.

    :raises LastAdmin: if the user is the only active admin.
    """
    if not UserRole.is_admin(user_id):
        return
    RoleDefinition.lock(ADMIN)
    if UserRole.find_active_admins() == [user_id]:
        raise LastAdmin


def update_user_row(
    user_id: int, values: Mapping[str, Any], expected: Precondition = ANY_VERSION
) -> None:
    """Change the row of a user, in one statement that also compares the version.

    Call it with the user locked. With a condition, it also locks the roles of the user until the
    transaction ends: the deletion of a role changes the ETag, but not the version.

    :param expected: the condition on the ETag (`If-Match`).
    :raises UserNotFound: if the user does not exist.
    :raises UserChanged: if the user does not meet the condition.
    """
    change = update(User).where(User.id == user_id, User.status != DELETED)
    if expected != ANY_VERSION and (user := User.find(user_id)):
        # Built-in roles cannot be deleted. All other changes of roles wait for the user's lock.
        there = RoleDefinition.lock_for_share(set(user.roles).difference(BUILT_IN))
        held = [role for role in user.roles if role in there.union(BUILT_IN)]
        before, after = etag_parts(user._replace(roles=held))
        change = change.where(expected.on(User.version, prefix=before, suffix=after))
    change = change.values(**values, version=User.version + 1, updated_at=now()).returning(User.id)
    if db.session.execute(change).one_or_none() is None:
        raise UserNotFound if User.find(user_id) is None else UserChanged
