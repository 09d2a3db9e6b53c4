"""Roles: definition of their permissions, and assignment to users."""

import re
from collections.abc import Iterable

from sqlalchemy import delete, insert, update

from project.core.clock import now
from project.core.database.keyset_pagination import Page, PageRequest
from project.core.database.retries import repeatable
from project.core.database.rows import typed_rows
from project.core.database.session import atomic, db, locks_user
from project.core.database.upsert import upsert
from project.core.security.permissions import all_permissions
from project.core.security.principal import Principal
from project.core.version_preconditions import ANY_VERSION, Precondition
from project.users.errors import (
    PermissionUnknown,
    RoleBuiltIn,
    RoleChanged,
    RoleInvalid,
    RoleNotFound,
)
from project.users.models import ROLE_SELECT, ROLES, RoleDefinition, UserRole, role_etag
from project.users.name_patterns import ROLE
from project.users.permissions import ADMIN, BUILT_IN
from project.users.rows import RoleRow, UserRow
from project.users.signals import role_changed, user_roles_changed

from .authorization import (
    check_roles,
    ensure_can_manage_roles,
    ensure_holds_permissions,
    ensure_not_last_admin,
    update_user_row,
)
from .users import get_user


def list_roles(page: PageRequest) -> Page[RoleRow]:
    """Return a page of all roles, including the built-in ones."""
    return ROLES.page(ROLE_SELECT, page)


def get_role(name: str) -> RoleRow:
    """Return the role with a name.

    :raises RoleNotFound: if the role does not exist.
    """
    role = RoleDefinition.find(name)
    if role is None:
        raise RoleNotFound
    return role


@repeatable
@atomic()
def define_role(
    name: str,
    permissions: Iterable[str],
    *,
    by: Principal | None = None,
    expected: Precondition = ANY_VERSION,
) -> RoleRow:
    """Set the permissions of a role, creating the role if necessary.

    The change applies to all requests after the commit.

    :param expected: the condition on the ETag of the role (`If-Match`).
    :raises RoleInvalid: if the name is invalid.
    :raises PermissionUnknown: if one of the permissions is not declared by a feature.
    :raises RoleBuiltIn: if the role is built in.
    :raises RoleChanged: if the role does not meet the condition, or a concurrent request changed
        it.
    :raises PrivilegeEscalation: if the role had, or gets, a permission that `by` lacks.
    """
    wanted = set(permissions)
    if not re.fullmatch(ROLE, name):
        raise RoleInvalid
    if not wanted <= all_permissions():
        raise PermissionUnknown
    ensure_holds_permissions(by, wanted)
    _ensure_can_change(name, by)
    found = RoleDefinition.find(name)
    if not expected.allows(role_etag(found) if found else None):
        raise RoleChanged
    fresh = {'permissions': sorted(wanted), 'updated_at': now()}
    same = RoleDefinition.version == (found.version if found else 0)
    change = {**fresh, 'version': RoleDefinition.version + 1}
    stored = upsert(
        RoleDefinition, {'name': name, **fresh}, conflict=['name'], change=change, where=same
    )
    columns = ROLE_SELECT.selected_columns
    changed = typed_rows(RoleRow, db.session.execute(stored.returning(*columns)))
    if not changed:
        raise RoleChanged
    role_changed.send('users', name=name, by=by.user_id if by else None)
    return changed[0]


@repeatable
@atomic()
def delete_role(
    name: str, *, by: Principal | None = None, expected: Precondition = ANY_VERSION
) -> None:
    """Delete a role; all users lose it.

    :raises RoleNotFound: if the role does not exist.
    :raises RoleBuiltIn: if the role is built in.
    :raises RoleChanged: if the role does not meet the condition.
    :raises PrivilegeEscalation: if the role has a permission that `by` lacks.
    """
    _ensure_can_change(name, by)
    found = get_role(name)
    # The transaction has locked the role.
    if not expected.allows(role_etag(found)):
        raise RoleChanged
    db.session.execute(delete(RoleDefinition).where(RoleDefinition.name == name))
    role_changed.send('users', name=name, by=by.user_id if by else None)


@repeatable
@locks_user('user_id')
def set_roles(
    user_id: int,
    roles: Iterable[str],
    *,
    by: Principal | None = None,
    expected: Precondition = ANY_VERSION,
) -> UserRow:
    """Replace the roles of a user; return the user.

    :raises UserNotFound: if the user does not exist.
    :raises UserChanged: if the user does not meet the condition.
    :raises RoleUnknown: if a role is not defined.
    :raises LastAdmin: if no other admin would remain.
    :raises PrivilegeEscalation: if the user has, loses or gets a permission that the credential of
        `by` lacks.
    """
    wanted = check_roles(roles, by=by)
    if ADMIN not in wanted:
        ensure_not_last_admin(user_id)
    update_user_row(user_id, {}, expected)
    was = get_user(user_id).roles
    ensure_can_manage_roles(by, was)
    db.session.execute(delete(UserRole).where(UserRole.user_id == user_id))
    if wanted:
        rows = [{'user_id': user_id, 'role': role} for role in wanted]
        db.session.execute(insert(UserRole), rows)
    who = by.user_id if by else None
    user_roles_changed.send('users', user_id=user_id, was=was, roles=sorted(wanted), by=who)
    return get_user(user_id)


@locks_user('user_id')
def grant_role(user_id: int, role: str) -> UserRow:
    """Grant a role to a user. Only commands for operators call it.

    :raises RoleUnknown: if the role does not exist.
    """
    return set_roles(user_id, {*get_user(user_id).roles, role})


@locks_user('user_id')
def revoke_role(user_id: int, role: str) -> UserRow:
    """Revoke a role of a user. Only commands for operators call it.

    :raises LastAdmin: if no other admin would remain.
    """
    return set_roles(user_id, {*get_user(user_id).roles} - {role})


def _ensure_can_change(name: str, by: Principal | None) -> None:
    """Ensure that `by` may change a role; lock the role until the transaction ends.

    :raises RoleBuiltIn: if the role is built in.
    :raises PrivilegeEscalation: if the role has a permission that `by` lacks.
    """
    if name in BUILT_IN:
        raise RoleBuiltIn
    # This UPDATE changes nothing: it only locks the row.
    lock = update(RoleDefinition).where(RoleDefinition.name == name)
    lock = lock.values(updated_at=RoleDefinition.updated_at)
    db.session.execute(lock)
    if found := RoleDefinition.find(name):
        ensure_holds_permissions(by, set(found.permissions) & all_permissions())
