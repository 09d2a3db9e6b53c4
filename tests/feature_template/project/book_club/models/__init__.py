"""The tables of `book_club`."""

from .rare_books import RARE_BOOKS, RareBook

__all__ = [
    'RARE_BOOKS',
    'RareBook',
]
