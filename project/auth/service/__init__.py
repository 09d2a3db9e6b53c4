"""What may happen to accounts, passwords and sessions."""

from .accounts import create_account, register, resend_verification, verify_account
from .api_keys import create_key, delete_key, list_keys, list_keys_of
from .cleanup import sweep
from .email_changes import confirm_email_change, request_email_change
from .invitations import accept_invitation, invite
from .leaked_tokens import find_leaked, revoke_leaked
from .login import log_in, reauthenticate
from .password_resets import request_reset, reset_password, start_reset
from .passwords import change_password
from .personal_data import forget_account
from .receivers import note_created, note_disabled, note_enabled
from .second_factors import begin_totp, confirm_totp, end_totp, renew_recovery_codes
from .security_events import list_all_events, list_events
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
from .token_refresh import refresh_session

__all__ = [
    'accept_invitation',
    'begin_totp',
    'change_password',
    'confirm_email_change',
    'confirm_totp',
    'create_account',
    'create_key',
    'delete_key',
    'end_current_session',
    'end_other_sessions',
    'end_session',
    'end_sessions_of',
    'end_totp',
    'find_leaked',
    'forget_account',
    'identify',
    'invite',
    'list_all_events',
    'list_events',
    'list_keys',
    'list_keys_of',
    'list_sessions',
    'list_sessions_of',
    'log_in',
    'note_created',
    'note_disabled',
    'note_enabled',
    'reauthenticate',
    'refresh_session',
    'register',
    'renew_recovery_codes',
    'request_email_change',
    'request_reset',
    'resend_verification',
    'reset_password',
    'revoke_leaked',
    'start_reset',
    'sweep',
    'unlock',
    'verify_account',
]
