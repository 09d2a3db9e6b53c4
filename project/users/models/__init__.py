"""Tables of the feature `users`. No table stores a secret."""

from .exports import EXPORTS, EXPORTS_OF_USER, FAILED, PENDING, READY, Export
from .roles import ROLE_SELECT, ROLES, RoleDefinition, permissions_of, role_etag
from .users import (
    ACTIVE,
    DELETED,
    DISABLED,
    USER_BY_EMAIL,
    USER_BY_ID,
    USER_BY_USERNAME,
    USER_PROFILE,
    USER_SELECT,
    USERS,
    User,
    UserRole,
    email_key,
)

__all__ = [
    'ACTIVE', 'DELETED', 'DISABLED', 'EXPORTS', 'EXPORTS_OF_USER', 'FAILED', 'PENDING', 'READY',
    'ROLES', 'ROLE_SELECT', 'USERS', 'USER_BY_EMAIL', 'USER_BY_ID', 'USER_BY_USERNAME',
    'USER_PROFILE', 'USER_SELECT', 'Export', 'RoleDefinition', 'User', 'UserRole', 'email_key',
    'permissions_of', 'role_etag',
]  # fmt: skip
