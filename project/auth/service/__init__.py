"""What may happen to accounts, passwords and sessions."""

from .accounts import create_account, register, resend_verification, verify_account
from .passwords import change_password
from .sessions import (
    end_current_session,
    end_other_sessions,
    end_session,
    end_sessions_of,
    identify,
    list_sessions,
    list_sessions_of,
    log_in,
    unlock,
)
from .sweeping import sweep

__all__ = [
    'change_password',
    'create_account',
    'end_current_session',
    'end_other_sessions',
    'end_session',
    'end_sessions_of',
    'identify',
    'list_sessions',
    'list_sessions_of',
    'log_in',
    'register',
    'resend_verification',
    'sweep',
    'unlock',
    'verify_account',
]
