"""Services of `book_club`. They find only rows of the given owner."""

from .personal_data import erase_rows, export_rows
from .rare_books import (
    count_rare_books,
    create_rare_book,
    delete_rare_book,
    find_rare_book,
    get_rare_book,
    list_rare_books,
    update_rare_book,
)

__all__ = [
    'count_rare_books',
    'create_rare_book',
    'delete_rare_book',
    'erase_rows',
    'export_rows',
    'find_rare_book',
    'get_rare_book',
    'list_rare_books',
    'update_rare_book',
]
