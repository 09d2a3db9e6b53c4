"""Unique constraints are the judges of uniqueness: asking first would be a race."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import IntegrityError

from project.core.errors import ApiError

from .session import db


@contextmanager
def translate_unique_violations(**refusals: type[ApiError]) -> Iterator[None]:
    """Write what the block added, and refuse in the words given per column where one is taken.

    The transaction is spent by then: let the refusal end it.
    """
    try:
        yield
        db.session.flush()
    except IntegrityError as error:
        # PostgreSQL names the constraint, which we name after its columns; SQLite the columns. The
        # rest of PostgreSQL's message repeats what was typed, which may hold the name of a column.
        diagnosis = getattr(error.orig, 'diag', None)
        violated = (diagnosis.constraint_name or '') if diagnosis else str(error.orig)
        for column, refusal in refusals.items():
            if violated.startswith(('uq_', 'UNIQUE ')) and column in violated:
                raise refusal from None
        raise
