"""A test write that shows whether the database accepts writes.

A query does not show it: a database that is read-only, or whose disk is full, still answers SELECT.
The probe stores 8 KB of random bytes in its row. The database must find new space for them. So
PostgreSQL extends a file, and SQLite appends to its log, as for the writes of a request.
"""

from datetime import timedelta
from secrets import token_bytes

from sqlalchemy import update

from project.core.clock import now

from .session import execute_in_own_transaction
from .shared_values import SharedValue, insert_value

PROBE_BYTES = 8 * 1024
# All processes share the row, and only one process writes to it within this time. The statements of
# the other processes match no row, but also fail if the database is read-only.
PROBE_INTERVAL = timedelta(seconds=5)
PROBE_NAME = 'write_probe'


def probe_write() -> None:
    """Write to the database, unless a process has done so within `PROBE_INTERVAL`.

    :raises SQLAlchemyError: if the database does not accept writes.
    """
    moment = now()
    # The upper limit: the last probe counts as recent even if it was stored by a machine whose
    # clock is slightly ahead, but not if the time is far in the future.
    is_recent = SharedValue.changed_at.between(moment - PROBE_INTERVAL, moment + PROBE_INTERVAL)
    probe = update(SharedValue).where(SharedValue.name == PROBE_NAME, ~is_recent)
    values = {'value': token_bytes(PROBE_BYTES), 'changed_at': moment}
    if not execute_in_own_transaction(probe.values(values).returning(SharedValue.name)):
        # Either the last probe is recent, or this is the first probe of a new database.
        insert_value(PROBE_NAME, token_bytes(PROBE_BYTES))
