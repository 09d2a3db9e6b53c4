"""Errors of `book_club`."""

from project.core.errors import Conflict, NotFound, PreconditionFailed, UnprocessableContent


class RareBookNotFound(NotFound):
    """The caller has no rare book with this id."""

    field, reason = 'rare_book', 'No such rare book'


class RareBookChanged(PreconditionFailed):
    """The rare book was changed since the version in `If-Match`."""


class RareBookShelfMarkTaken(Conflict):
    """Another rare book of the owner has this `shelf_mark`."""

    field, reason = 'shelf_mark', 'Already taken'


class RareBookDealerUnknown(UnprocessableContent):
    """The row to which `dealer_id` refers does not exist."""

    field, reason = 'dealer_id', 'No such id'
