"""What may happen to accounts, passwords and sessions."""

from .accounts import create_account, register, resend_verification, verify_account
from .email_changes import confirm_email_change, request_email_change
from .factors import begin_totp, confirm_totp, end_totp, renew_recovery_codes
from .invitations import accept_invitation, invite
from .logins import log_in, reauthenticate
from .passwords import change_password
from .refreshing import refresh_session
from .resets import request_reset, reset_password, start_reset
from .sessions import (
    end_current_session,
    end_other_sessions,
    end_session,
    end_sessions_of,
    identify,
    list_sessions,
    list_sessions_of,
    unlock,
)
from .sweeping import sweep

__all__ = [
    'accept_invitation',
    'begin_totp',
    'change_password',
    'confirm_email_change',
    'confirm_totp',
    'create_account',
    'end_current_session',
    'end_other_sessions',
    'end_session',
    'end_sessions_of',
    'end_totp',
    'identify',
    'invite',
    'list_sessions',
    'list_sessions_of',
    'log_in',
    'reauthenticate',
    'refresh_session',
    'register',
    'renew_recovery_codes',
    'request_email_change',
    'request_reset',
    'resend_verification',
    'reset_password',
    'start_reset',
    'sweep',
    'unlock',
    'verify_account',
]
