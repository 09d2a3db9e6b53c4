"""Users feature: users, profiles, roles, avatars and exports of personal data.

Owns the tables `users` and `users_…`, `/users` and `flask users`. It depends only on `core`. It
sends signals about changes of users, and each feature registers how it erases a deleted user's
data. Authentication is in `auth`.
"""

from .cli import users_cli
from .routes import blueprint

requires = ()
clis = (users_cli,)

__all__ = ['blueprint', 'clis', 'requires']
