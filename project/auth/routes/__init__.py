"""The HTTP face of auth, by topic: read the request, call the service, answer."""

from . import accounts, factors, passwords, sessions
from .mount import blueprint

__all__ = ['accounts', 'blueprint', 'factors', 'passwords', 'sessions']
