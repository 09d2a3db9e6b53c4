"""Auth: how people prove who they are.

Owns the `auth_…` tables, `/auth`, `flask create-user` and `flask auth`. Stands on `users`; nothing
stands on it: the factory hands `service.identify` to the kernel's guard, and that is all.
"""

from . import config_checks
from .cli import auth_cli, create_user
from .routes import blueprint

clis = (auth_cli, create_user)

__all__ = ['blueprint', 'clis', 'config_checks']
