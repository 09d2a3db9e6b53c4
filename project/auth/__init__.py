"""Authentication feature: accounts, sessions, second factors, API keys, security events.

Owns the `auth_…` tables, `/auth`, `flask create-user` and `flask auth`. It depends on `users`; no
feature depends on it. The application factory passes `service.identify` to the guard of `core`.
"""

from . import config_checks
from .cli import auth_cli, create_user
from .routes import blueprint
from .service import connect_receivers

clis = (auth_cli, create_user)

__all__ = ['blueprint', 'clis', 'config_checks', 'connect_receivers']
