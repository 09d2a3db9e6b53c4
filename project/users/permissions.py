"""Permissions of the feature `users`, and the two built-in roles."""

from collections.abc import Iterable

from project.core.security.permissions import (
    all_permissions,
    default_permissions,
    register_permission,
    register_permission_prefix,
)

register_permission_prefix('roles', owner=__name__)
register_permission_prefix('profile', owner=__name__)

READ = register_permission('users:read', 'Read all users.', owner=__name__)
WRITE = register_permission(
    'users:write', 'Create users; change usernames, email addresses and profiles.', owner=__name__
)
DELETE = register_permission('users:delete', 'Delete users and all their data.', owner=__name__)
# The feature `auth` checks this permission, because it sends the invitations.
INVITE = register_permission('users:invite', 'Invite people to create an account.', owner=__name__)
ROLES_READ = register_permission('roles:read', 'Read roles and their permissions.', owner=__name__)
ROLES_WRITE = register_permission(
    'roles:write', 'Define roles and assign them to users.', owner=__name__
)
PROFILE_READ = register_permission(
    'profile:read', 'Read your own user and profile.', owner=__name__, default=True
)
PROFILE_WRITE = register_permission(
    'profile:write', 'Change your own name, bio and avatar.', owner=__name__, default=True
)

ADMIN = 'admin'
MEMBER = 'member'
BUILT_IN = (ADMIN, MEMBER)


def permissions_of_role(name: str, stored: Iterable[str]) -> frozenset[str]:
    """Return the permissions of a role, without those that no feature declares.

    :param stored: the permissions in the row. Those of built-in roles are defined in the code.
    """
    return built_in_permissions([name]) if name in BUILT_IN else all_permissions() & {*stored}


def built_in_permissions(roles: Iterable[str]) -> frozenset[str]:
    """Return the permissions of those of the given roles that are built-in.

    Call it after all features are imported, because they register permissions at import.
    """
    return all_permissions() if ADMIN in roles else default_permissions()
