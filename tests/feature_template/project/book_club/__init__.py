"""Book club: rows of users, with a table for each model.

Owns the tables `book_club_…`, `/book-club` and `flask book-club`. Erases the rows of deleted users.
"""

from .cli import book_club_cli
from .routes import blueprint

requires = ('users',)
clis = (book_club_cli,)

__all__ = ['blueprint', 'clis', 'requires']
