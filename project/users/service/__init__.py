"""What may happen to users. Nothing here knows that HTTP exists."""

from .authorization import check_roles, refuse_more_than
from .avatars import open_avatar, remove_avatar, set_avatar
from .exports import get_export, list_exports, open_export, request_export
from .import_export import Refused, export_users, import_users
from .personal_data import forget_user
from .roles import define_role, delete_role, grant_role, list_roles, revoke_role, set_roles
from .users import (
    change_email,
    check_username,
    create_user,
    delete_user,
    disable_user,
    enable_user,
    find_user,
    find_user_by_login,
    find_username,
    get_profile,
    get_user,
    get_user_by_login,
    hold_user,
    list_users,
    note_login,
    update_user,
    user_stats,
)

__all__ = [
    'Refused',
    'change_email',
    'check_roles',
    'check_username',
    'create_user',
    'define_role',
    'delete_role',
    'delete_user',
    'disable_user',
    'enable_user',
    'export_users',
    'find_user',
    'find_user_by_login',
    'find_username',
    'forget_user',
    'get_export',
    'get_profile',
    'get_user',
    'get_user_by_login',
    'grant_role',
    'hold_user',
    'import_users',
    'list_exports',
    'list_roles',
    'list_users',
    'note_login',
    'open_avatar',
    'open_export',
    'refuse_more_than',
    'remove_avatar',
    'request_export',
    'revoke_role',
    'set_avatar',
    'set_roles',
    'update_user',
    'user_stats',
]
