"""Tables of the feature `auth`. No table stores a secret in plain text."""

from .accounts import Credential, EmailChange, Invitation, Pin, Registration
from .api_keys import KEYS, KEYS_OF_USER, LIVE_KEY, ApiKey
from .second_factors import RecoveryCode, Totp
from .security_events import EVENTS, EVENTS_OF_USER, Event
from .sessions import LIVE_SESSION, SESSIONS, SESSIONS_OF_USER, Device, Session

__all__ = [
    'EVENTS', 'EVENTS_OF_USER', 'KEYS', 'KEYS_OF_USER', 'LIVE_KEY', 'LIVE_SESSION', 'SESSIONS',
    'SESSIONS_OF_USER', 'ApiKey', 'Credential', 'Device', 'EmailChange', 'Event', 'Invitation',
    'Pin', 'RecoveryCode', 'Registration', 'Session', 'Totp',
]  # fmt: skip
