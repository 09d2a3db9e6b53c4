"""The HTTP face of users, by topic: read the request, call the service, answer."""

from . import avatars, exports, roles, users
from .mount import blueprint

__all__ = ['avatars', 'blueprint', 'exports', 'roles', 'users']
