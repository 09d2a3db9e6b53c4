"""The tables of users. None holds a secret."""

from .exports import EXPORTS, EXPORTS_OF_USER, FAILED, PENDING, READY, Export
from .roles import ROLES, SHOWN_ROLE, RoleDefinition, permissions_of
from .users import (
    ACTIVE,
    BY_EMAIL,
    BY_ID,
    BY_USERNAME,
    DISABLED,
    PROFILE,
    SHOWN,
    USERS,
    User,
    UserRole,
    email_key,
)

__all__ = [
    'ACTIVE',
    'BY_EMAIL',
    'BY_ID',
    'BY_USERNAME',
    'DISABLED',
    'EXPORTS',
    'EXPORTS_OF_USER',
    'FAILED',
    'PENDING',
    'PROFILE',
    'READY',
    'ROLES',
    'SHOWN',
    'SHOWN_ROLE',
    'USERS',
    'Export',
    'RoleDefinition',
    'User',
    'UserRole',
    'email_key',
    'permissions_of',
]
