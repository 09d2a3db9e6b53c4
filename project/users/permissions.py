"""What may be allowed about users, and the two roles that are always there."""

from collections.abc import Iterable

from project.core.security.permissions import declare, every_permission, for_everybody

READ = declare('users:read', 'See every user.')
WRITE = declare('users:write', 'Create users and change what they are called.')
DELETE = declare('users:delete', 'Delete users and all that is theirs.')
ROLES_READ = declare('roles:read', 'See what roles there are, and what they allow.')
ROLES_WRITE = declare('roles:write', 'Define roles, and give them to users.')
PROFILE_READ = declare('profile:read', 'See oneself.', everybody=True)
PROFILE_WRITE = declare('profile:write', 'Change what one says about oneself.', everybody=True)

ADMIN = 'admin'
MEMBER = 'member'
BUILT_IN = (ADMIN, MEMBER)


def built_in_permissions(roles: Iterable[str]) -> frozenset[str]:
    """Return what the built-in ones of these allow. Asked late: features declare at import."""
    return every_permission() if ADMIN in roles else for_everybody()
