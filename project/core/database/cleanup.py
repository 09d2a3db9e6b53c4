"""Deletion of expired rows in batches that do not wait for the locks of other transactions.

Each batch is one statement and one transaction. So each transaction is short, even if many rows
have expired.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, delete, func, inspect, select, tuple_
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import InstrumentedAttribute

from .session import AnyRow, execute_in_own_transaction, execute_select, non_atomic

BATCH_ROWS = 1000
# The first batch is small, because each row may have many dependent rows that are deleted with it.
# The size grows while batches are fast.
FIRST_BATCH_ROWS = 16
BATCH_SECONDS = 0.2

log = logging.getLogger(__name__)

# The tables to clean up. The keys are names of tables for operators. Each value is the column with
# the expiry time or day, and a moment: rows that expired at this moment or earlier are deleted.
Expired = Mapping[str, tuple[InstrumentedAttribute[Any], date]]


@dataclass(frozen=True, slots=True)
class CleanupBatch:
    """The result of a batch: the number of deleted rows, or the error that ended it.

    :param name: the name of the table for operators.
    """

    name: str
    rows: int = 0
    error: SQLAlchemyError | None = None


class CleanupFailed(Exception):
    """The clean-up of some tables failed. The expired rows of the other tables are deleted."""


def delete_expired_rows(expired: Expired, *, dry_run: bool = False) -> Iterator[CleanupBatch]:
    """Delete the expired rows of several tables; yield each batch after its commit.

    After an error in one table, the clean-up continues with the next table.

    :param dry_run: count the rows instead of deleting them.
    """
    for name, (column, moment) in expired.items():
        try:
            if dry_run:
                yield CleanupBatch(name, _count(column, moment))
            else:
                for rows in _delete_in_batches(column, moment):
                    yield CleanupBatch(name, rows)
        except SQLAlchemyError as error:
            log.exception('clean-up of %s failed', name)
            yield CleanupBatch(name, error=error)


def finish_cleanup(batches: Iterable[CleanupBatch]) -> None:
    """Run a clean-up to its end: `batches` is a generator that deletes rows.

    :raises CleanupFailed: if the clean-up of a table failed.
    """
    if failed := sorted(batch.name for batch in batches if batch.error):
        raise CleanupFailed(f'not cleaned up: {", ".join(failed)}')


def delete_unlocked(
    model: Any, condition: ColumnElement[bool], *, order: Any = None, limit: int = BATCH_ROWS
) -> list[AnyRow]:
    """Delete matching rows that no other transaction has locked; return their keys.

    Locked rows are skipped; a later call deletes them. Waiting for them could cause a deadlock,
    because clean-up deletes rows of many users in no particular order. The statement runs in the
    caller's transaction, if there is one.

    :param order: a column. Rows with lower values are deleted first, and each returned key also
        contains the value of this column.
    :param limit: the maximum number of rows.
    """
    key = inspect(model).primary_key
    unlocked = select(*key).where(condition).order_by(order).limit(limit)
    # A CTE, because PostgreSQL may execute a subquery more than once and then delete more rows.
    chosen = unlocked.with_for_update(skip_locked=True).cte('unlocked')
    returned = key if order is None else (*key, order)
    deleted = delete(model).where(tuple_(*key).in_(select(chosen)))
    return execute_in_own_transaction(deleted.returning(*returned), joins=True)


def delete_batch(model: Any, condition: ColumnElement[bool]) -> bool:
    """Delete at most `BATCH_ROWS` matching rows. Call it inside `atomic`.

    :returns: whether there may be more matching rows.
    """
    key = inspect(model).primary_key
    chosen = select(*key).where(condition).limit(BATCH_ROWS).with_for_update().cte('chosen')
    deleted = delete(model).where(tuple_(*key).in_(select(chosen))).returning(key[0])
    return len(execute_in_own_transaction(deleted, joins=True)) == BATCH_ROWS


@non_atomic
def _delete_in_batches(column: InstrumentedAttribute[Any], moment: date) -> Iterator[int]:
    condition, limit, began = column <= moment, FIRST_BATCH_ROWS, time.monotonic()
    while rows := delete_unlocked(column.class_, condition, order=column, limit=limit):
        seconds = time.monotonic() - began
        yield len(rows)
        if len(rows) < limit:
            return
        limit = next_limit(limit, seconds)
        # The next batch starts at the highest deleted value. The index still contains the entries
        # of deleted rows. Without a start value, each batch would read the entries of all earlier
        # batches.
        last = max(row[-1] for row in rows)
        condition, began = (column >= last) & (column <= moment), time.monotonic()


def next_limit(limit: int, seconds: float) -> int:
    """Return the size of the next batch.

    :param limit: the maximum number of rows of the previous batch.
    :param seconds: the duration of the previous batch.
    """
    if seconds > BATCH_SECONDS:
        return max(1, limit // 2)
    return min(BATCH_ROWS, limit * 2) if seconds < BATCH_SECONDS / 2 else limit


def _count(column: InstrumentedAttribute[Any], moment: date) -> int:
    counted = select(func.count()).select_from(column.class_).where(column <= moment)
    return int(execute_select(counted).scalar_one())
