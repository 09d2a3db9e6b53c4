"""Service functions of the feature `users`, for routes, commands and other features."""

from .authorization import (
    check_roles,
    ensure_holds_all_permissions,
    find_permissions,
    lock_users,
    may_grant,
)
from .avatars import open_avatar, remove_avatar, set_avatar
from .deletion import delete_user
from .exports import get_export, list_exports, open_export, request_export
from .import_export import RejectedRow, export_users, import_users
from .personal_data import erase_user_data
from .roles import (
    define_role,
    delete_role,
    get_role,
    grant_role,
    list_roles,
    revoke_role,
    set_roles,
)
from .users import (
    change_email,
    create_user,
    disable_user,
    enable_user,
    find_user,
    find_user_by_login,
    get_profile,
    get_user,
    get_user_by_login,
    is_active,
    list_users,
    record_login,
    require_username_exists,
    update_user,
    user_stats,
    validate_new_username,
)

__all__ = [
    'RejectedRow',
    'change_email',
    'check_roles',
    'create_user',
    'define_role',
    'delete_role',
    'delete_user',
    'disable_user',
    'enable_user',
    'ensure_holds_all_permissions',
    'erase_user_data',
    'export_users',
    'find_permissions',
    'find_user',
    'find_user_by_login',
    'get_export',
    'get_profile',
    'get_role',
    'get_user',
    'get_user_by_login',
    'grant_role',
    'import_users',
    'is_active',
    'list_exports',
    'list_roles',
    'list_users',
    'lock_users',
    'may_grant',
    'open_avatar',
    'open_export',
    'record_login',
    'remove_avatar',
    'request_export',
    'require_username_exists',
    'revoke_role',
    'set_avatar',
    'set_roles',
    'update_user',
    'user_stats',
    'validate_new_username',
]
