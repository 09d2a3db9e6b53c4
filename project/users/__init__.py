"""Users: the people this API knows, and what they say about themselves.

Owns the tables `users` and `users_…`, `/users` and `flask users`. Stands on the kernel alone;
announces what happens to them, and asks every feature to let go of who is deleted. How people prove
who they are is `auth`'s business.
"""

from .cli import users_cli
from .routes import blueprint

clis = (users_cli,)

__all__ = ['blueprint', 'clis']
