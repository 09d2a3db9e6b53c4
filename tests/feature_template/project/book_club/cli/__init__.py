"""Commands `flask book-club`, one module per topic."""

from project.core.cli.toolkit import FeatureGroup

book_club_cli: FeatureGroup = FeatureGroup('book-club', help='Manage book club.')

# The modules add their commands to the group, so they are imported after it.
from . import (  # noqa: E402
    rare_books,
)

__all__ = [
    'book_club_cli',
    'rare_books',
]
