"""What may be allowed about users, and the two roles everybody knows."""

from collections.abc import Iterable

from project.core.permissions import declare, every_permission, for_everybody

READ = declare('users:read', 'See every user.')
WRITE = declare('users:write', 'Create users and change what they are called.')
DELETE = declare('users:delete', 'Delete users and all that is theirs.')
PROFILE_READ = declare('profile:read', 'See oneself.', everybody=True)
PROFILE_WRITE = declare('profile:write', 'Change what one says about oneself.', everybody=True)

ADMIN = 'admin'
MEMBER = 'member'
BUILT_IN = (ADMIN, MEMBER)
ROLES = BUILT_IN


def permissions_of(roles: Iterable[str]) -> frozenset[str]:
    """Return what somebody with these roles may do. Asked late: features declare at import."""
    return every_permission() if ADMIN in roles else for_everybody()
