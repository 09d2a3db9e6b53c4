"""Feature `auth`: accounts, sessions, second factors, API keys, security events.

The feature owns the tables `auth_…`, the routes below `/auth`, `flask create-user` and `flask
auth`. No feature depends on it. The guard of `core` identifies callers with its `authentication`.
"""

from . import config_checks
from .cli import auth_cli, create_user
from .routes import blueprint
from .service import authentication, connect_receivers

requires = ('users',)
clis = (auth_cli, create_user)

__all__ = ['authentication', 'blueprint', 'clis', 'config_checks', 'connect_receivers', 'requires']
