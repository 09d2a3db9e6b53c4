"""The HTTP face of users, by topic: read the request, call the service, answer."""

from . import users
from .mount import blueprint

__all__ = ['blueprint', 'users']
