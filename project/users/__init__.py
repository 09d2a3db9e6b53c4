"""Feature `users`: users, profiles, roles, avatars and exports of personal data.

The feature owns the tables `users` and `users_…`, the routes below `/users` and the commands `flask
users`. It depends only on `core`. It sends signals about changes of users, and each feature
registers how it erases a deleted user's data. Authentication is in the feature `auth`.
"""

from .cli import users_cli
from .routes import blueprint

requires = ()
clis = (users_cli,)

__all__ = ['blueprint', 'clis', 'requires']
