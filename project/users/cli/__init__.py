"""`flask users`, by topic."""

from . import roles, transfers, users
from .group import users_cli

__all__ = ['roles', 'transfers', 'users', 'users_cli']
