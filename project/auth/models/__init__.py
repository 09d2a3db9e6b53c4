"""The tables of auth. None holds a secret in the clear."""

from .accounts import Credential, EmailChange, Invitation, Pin, Registration
from .api_keys import KEYS, KEYS_OF_USER, LIVE_KEY, ApiKey
from .second_factors import RecoveryCode, Totp
from .security_events import EVENTS, OF_SUBJECT, Event
from .sessions import LIVE, OF_USER, SESSIONS, Device, Session

__all__ = [
    'EVENTS',
    'KEYS',
    'KEYS_OF_USER',
    'LIVE',
    'LIVE_KEY',
    'OF_SUBJECT',
    'OF_USER',
    'SESSIONS',
    'ApiKey',
    'Credential',
    'Device',
    'EmailChange',
    'Event',
    'Invitation',
    'Pin',
    'RecoveryCode',
    'Registration',
    'Session',
    'Totp',
]
