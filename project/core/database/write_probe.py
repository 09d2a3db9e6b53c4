"""A write that shows whether the database can be written at all.

No query shows it: a database that is read-only, or whose disk is full, answers SELECT. The row of
the probe gets 8 KB of random bytes. They do not fit where the old ones are, so that PostgreSQL
extends a file, and SQLite appends to its log, as the writes of a request do.
"""

from datetime import timedelta
from secrets import token_bytes

from sqlalchemy import update

from project.core.clock import now

from .session import execute_in_own_transaction
from .shared_values import SharedValue, insert_value

PROBE_BYTES = 8 * 1024
# Processes share the row: only one of them writes within this time. The others run the statement
# for no row, which fails as well if the database is read-only.
PROBE_INTERVAL = timedelta(seconds=5)
PROBE_NAME = 'write_probe'


def probe_write() -> None:
    """Write to the database, unless a process has done so within 5 s.

    :raises SQLAlchemyError: if the database cannot be written.
    """
    moment = now()
    # Also if the clock was ahead at the time of the last probe.
    is_recent = SharedValue.changed_at.between(moment - PROBE_INTERVAL, moment + PROBE_INTERVAL)
    probe = update(SharedValue).where(SharedValue.name == PROBE_NAME, ~is_recent)
    values = {'value': token_bytes(PROBE_BYTES), 'changed_at': moment}
    if not execute_in_own_transaction(probe.values(values).returning(SharedValue.name)):
        # The first probe of a new database.
        insert_value(PROBE_NAME, token_bytes(PROBE_BYTES))
