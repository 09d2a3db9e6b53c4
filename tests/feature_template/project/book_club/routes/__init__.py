"""Routes of `book_club`, one module per topic."""

from flask import Blueprint

blueprint = Blueprint('book_club', 'project.book_club', url_prefix='/book-club')

# The modules add their routes to the blueprint, so they are imported after it.
from . import (  # noqa: E402
    rare_books,
)

__all__ = [
    'blueprint',
    'rare_books',
]
