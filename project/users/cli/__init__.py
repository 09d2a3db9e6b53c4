"""`flask users`, by topic."""

from . import roles, users
from .group import users_cli

__all__ = ['roles', 'users', 'users_cli']
