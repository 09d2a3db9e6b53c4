"""What may happen to users. Nothing here knows that HTTP exists."""

from .users import (
    check_username,
    create_user,
    delete_user,
    disable_user,
    enable_user,
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
    'check_username',
    'create_user',
    'delete_user',
    'disable_user',
    'enable_user',
    'find_user_by_login',
    'find_username',
    'get_profile',
    'get_user',
    'get_user_by_login',
    'hold_user',
    'list_users',
    'note_login',
    'update_user',
    'user_stats',
]
