"""The HTTP face of auth, by topic: read the request, call the service, answer."""

from . import accounts, email_changes, events, factors, invitations, keys, passwords, sessions
from .mount import blueprint

__all__ = [
    'accounts',
    'blueprint',
    'email_changes',
    'events',
    'factors',
    'invitations',
    'keys',
    'passwords',
    'sessions',
]
