"""Service functions of the feature `auth`, for routes, commands and the application factory."""

from .accounts import create_account, register, resend_verification, verify_account
from .cleanup import delete_expired, expired_rows
from .credentials.api_keys import create_key, delete_key, list_keys, list_keys_of
from .credentials.leaked_tokens import find_token_owner, revoke_leaked
from .credentials.password_resets import request_reset, reset_password, start_reset
from .credentials.passwords import change_password
from .credentials.second_factors import (
    Enrolment,
    confirm_totp,
    disable_totp,
    disable_totp_of,
    renew_recovery_codes,
    start_totp_enrolment,
)
from .email_changes import confirm_email_change, request_email_change
from .invitations import accept_invitation, invite
from .login import Login, log_in, reauthenticate
from .personal_data import erase_account_data
from .receivers import connect_receivers
from .security_events import list_all_events, list_events
from .sessions import (
    authentication,
    end_current_session,
    end_other_sessions,
    end_session,
    end_sessions_of,
    identify,
    list_sessions,
    list_sessions_of,
    reload_principal,
    unlock,
    unlock_network,
)
from .token_refresh import refresh_session

__all__ = [
    'Enrolment', 'Login', 'accept_invitation', 'authentication', 'change_password',
    'confirm_email_change', 'confirm_totp', 'connect_receivers', 'create_account', 'create_key',
    'delete_expired', 'delete_key', 'disable_totp', 'disable_totp_of', 'end_current_session',
    'end_other_sessions', 'end_session', 'end_sessions_of', 'erase_account_data',
    'expired_rows', 'find_token_owner', 'identify', 'invite', 'list_all_events', 'list_events',
    'list_keys', 'list_keys_of', 'list_sessions', 'list_sessions_of', 'log_in',
    'reauthenticate', 'refresh_session', 'register', 'reload_principal', 'renew_recovery_codes',
    'request_email_change', 'request_reset', 'resend_verification', 'reset_password',
    'revoke_leaked', 'start_reset', 'start_totp_enrolment', 'unlock', 'unlock_network',
    'verify_account',
]  # fmt: skip
