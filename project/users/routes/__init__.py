"""The HTTP face of users, by topic: read the request, call the service, answer."""

from . import roles, users
from .mount import blueprint

__all__ = ['blueprint', 'roles', 'users']
