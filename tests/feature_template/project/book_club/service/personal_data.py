"""Export and erasure of the personal data in `book_club`."""

from collections.abc import Iterator

from project.users.personal_data import ExportFile, register_personal_data

from .rare_books import erase_rare_books, export_rare_books


def export_rows(user_id: int) -> Iterator[ExportFile]:
    """Yield the rows of a user, one file for each table."""
    yield export_rare_books(user_id)


@register_personal_data(
    'book_club',
    tables={
        'book_club_rare_books': 'book_club/rare_books.json',
    },
    export=export_rows,
)
def erase_rows(user_id: int) -> bool:
    """Delete a batch of the rows of a deleted user; return whether there may be more."""
    has_more = False
    has_more |= erase_rare_books(user_id)
    return has_more
