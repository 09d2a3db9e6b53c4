"""`flask create-user` and `flask auth`, by topic."""

from . import events, keys, sessions
from .accounts import create_user
from .group import auth_cli

__all__ = ['auth_cli', 'create_user', 'events', 'keys', 'sessions']
