"""`flask users`, by topic."""

from . import users
from .group import users_cli

__all__ = ['users', 'users_cli']
