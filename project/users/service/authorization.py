"""Rights: who may touch whom, and what every change of a user comes down to."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import update

from project.core.clock import now
from project.core.database.session import db
from project.core.security.principal import Principal
from project.users.errors import (
    LastAdmin,
    PrivilegeEscalation,
    RoleUnknown,
    UserChanged,
    UserNotFound,
)
from project.users.models import RoleDefinition, User, UserRole, permissions_of


def check_roles(roles: Iterable[str], *, by: Any = None) -> set[str]:
    """Return roles as they can be given, inside `atomic`: they stay defined until it ends.

    :raises RoleUnknown: if a role is not defined.
    :raises PrivilegeEscalation: if a role allows more than `by` may do.
    """
    wanted = set(roles)
    if RoleDefinition.lock_for_share(wanted) != wanted:
        raise RoleUnknown
    ensure_can_manage_roles(by, wanted)
    return wanted


def ensure_can_manage_roles(by: Any, roles: Iterable[str]) -> None:
    """Ensure that `by`, a principal or a user with roles, holds every permission of the roles.

    No user grants, revokes or changes permissions that they do not hold.

    :raises PrivilegeEscalation: if `by` lacks one of the permissions.
    """
    ensure_holds_permissions(by, permissions_of(roles))


def ensure_holds_permissions(by: Any, permissions: Iterable[str]) -> None:
    """Refuse with PrivilegeEscalation permissions that `by` lacks; an operator, None, holds all."""
    if by is None:
        return
    held = by.permissions if isinstance(by, Principal) else permissions_of(by.roles)
    if not held.issuperset(permissions):
        raise PrivilegeEscalation


def ensure_not_last_admin(user_id: int) -> None:
    """Refuse with LastAdmin to lose the only active one; none of them changes until the end."""
    if UserRole.lock_admins() == [user_id]:
        raise LastAdmin


def update_user_row(
    user_id: int, values: Mapping[str, Any], expected: frozenset[int] | None = None
) -> None:
    """Change a user in one statement, which is what compares the version, too.

    Refuses with UserNotFound, or UserChanged for another version.
    """
    change = update(User).where(User.id == user_id)
    if expected is not None:
        change = change.where(User.version.in_(expected))
    change = change.values(**values, version=User.version + 1, updated_at=now()).returning(User.id)
    if db.session.execute(change).one_or_none() is None:
        raise UserNotFound if User.find(user_id) is None else UserChanged
