"""Conversion of violated unique constraints to API errors.

Constraints decide uniqueness: two concurrent requests could both pass a query before the INSERT.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import IntegrityError

from project.core.errors import ApiError

from .session import db


@contextmanager
def translate_unique_violations(**refusals: type[ApiError]) -> Iterator[None]:
    """Flush the changes of the `with` block; convert a violated unique constraint to an API error.

    The database aborts the transaction, so the caller must not catch the error inside the
    transaction.

    :param refusals: the error class to raise, by the name of the unique column; for a constraint
        with several columns, by the last one.
    :raises ApiError: the error of the column whose value exists already.
    """
    try:
        yield
        db.session.flush()
    except IntegrityError as error:
        # PostgreSQL reports the name of the constraint, which ends with its columns; SQLite reports
        # the columns. Other text of PostgreSQL's message is not searched: it repeats the values,
        # which may contain the name of a column.
        diagnosis = getattr(error.orig, 'diag', None)
        violated = (diagnosis.constraint_name or '') if diagnosis else str(error.orig)
        # The longest first: `uq_users_email_key` ends with `key`, too.
        for column in sorted(refusals, key=len, reverse=True):
            is_last = violated.endswith((f'_{column}', f'.{column}'))
            if violated.startswith(('uq_', 'UNIQUE ')) and is_last:
                raise refusals[column] from None
        raise
