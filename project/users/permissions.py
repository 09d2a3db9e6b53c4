"""What may be allowed about users, and the two roles that are always there."""

from collections.abc import Iterable

from project.core.security.permissions import (
    all_permissions,
    default_permissions,
    register_permission,
    register_permission_prefix,
)

register_permission_prefix('roles', owner=__name__)
register_permission_prefix('profile', owner=__name__)

READ = register_permission('users:read', 'See every user.', owner=__name__)
WRITE = register_permission(
    'users:write', 'Create users and change what they are called.', owner=__name__
)
DELETE = register_permission('users:delete', 'Delete users and all that is theirs.', owner=__name__)
# Checked by `auth`, which sends the invitations.
INVITE = register_permission('users:invite', 'Invite people to have an account.', owner=__name__)
ROLES_READ = register_permission(
    'roles:read', 'See what roles there are, and what they allow.', owner=__name__
)
ROLES_WRITE = register_permission(
    'roles:write', 'Define roles, and give them to users.', owner=__name__
)
PROFILE_READ = register_permission('profile:read', 'See oneself.', owner=__name__, default=True)
PROFILE_WRITE = register_permission(
    'profile:write', 'Change what one says about oneself.', owner=__name__, default=True
)

ADMIN = 'admin'
MEMBER = 'member'
BUILT_IN = (ADMIN, MEMBER)


def built_in_permissions(roles: Iterable[str]) -> frozenset[str]:
    """Return what the built-in ones of these allow. Asked late: features declare at import."""
    return all_permissions() if ADMIN in roles else default_permissions()
