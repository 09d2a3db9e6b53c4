"""A test write that shows whether the database accepts writes.

A SELECT does not show it: it also succeeds if the database is read-only or its disk is full. The
probe stores 8 KB of random bytes in a row, so the database must find new space for them. PostgreSQL
then extends a file, and SQLite appends to its log, as for the writes of a request.
"""

from datetime import timedelta
from secrets import token_bytes

from sqlalchemy import update

from project.core.clock import now

from .session import execute_in_own_transaction
from .shared_values import SharedValue, insert_value

PROBE_BYTES = 8 * 1024
# All processes share one row, and only one of them changes it within this time. The UPDATE of the
# other processes matches no row, but fails, too, if the database is read-only.
PROBE_INTERVAL = timedelta(seconds=5)
PROBE_NAME = 'write_probe'


def probe_write() -> None:
    """Write to the database, unless a process has done so within `PROBE_INTERVAL`.

    :raises SQLAlchemyError: if the database does not accept writes.
    """
    moment = now()
    # The time of the last probe has an upper limit, too. A time slightly ahead counts as recent,
    # because clocks of machines differ. A time far in the future does not.
    is_recent = SharedValue.changed_at.between(moment - PROBE_INTERVAL, moment + PROBE_INTERVAL)
    probe = update(SharedValue).where(SharedValue.name == PROBE_NAME, ~is_recent)
    values = {'value': token_bytes(PROBE_BYTES), 'changed_at': moment}
    if not execute_in_own_transaction(probe.values(values).returning(SharedValue.name)):
        # No row was changed: either the last probe is recent, or the row does not exist yet. INSERT
        # it in the second case.
        insert_value(PROBE_NAME, token_bytes(PROBE_BYTES))
