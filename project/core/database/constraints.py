"""Translation of violated unique constraints into API errors.

Uniqueness is decided by constraints, because a query before the INSERT would be a race.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import IntegrityError

from project.core.errors import ApiError

from .session import db


@contextmanager
def translate_unique_violations(**refusals: type[ApiError]) -> Iterator[None]:
    """Flush the changes of the block, and translate violated unique constraints.

    The database aborts the transaction, so the caller must not catch the error inside the
    transaction.

    :param refusals: for the name of each unique column, the error to raise.
    :raises ApiError: the error of the column whose value exists already.
    """
    try:
        yield
        db.session.flush()
    except IntegrityError as error:
        # PostgreSQL reports the name of the constraint, which contains the columns; SQLite reports
        # the columns. The rest of PostgreSQL's message is not searched: it repeats the values, and
        # they may contain the name of a column.
        diagnosis = getattr(error.orig, 'diag', None)
        violated = (diagnosis.constraint_name or '') if diagnosis else str(error.orig)
        for column, refusal in refusals.items():
            if violated.startswith(('uq_', 'UNIQUE ')) and column in violated:
                raise refusal from None
        raise
