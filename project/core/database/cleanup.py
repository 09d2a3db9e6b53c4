"""Deletion of expired rows beside running transactions: in batches, none of which waits for a lock.

A batch is one statement and one transaction, so that it is short however many rows have expired.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, inspect, select, tuple_
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import InstrumentedAttribute

from .session import AnyRow, execute_in_own_transaction, execute_select, non_atomic

BATCH_ROWS = 1000
# A batch begins small and grows as long as it is fast: a row may have any number of dependent rows.
FIRST_BATCH_ROWS = 16
BATCH_SECONDS = 0.2

log = logging.getLogger(__name__)

# By a name for operators: the column of a table by which its rows expire, and the last moment of
# expired rows.
Expired = Mapping[str, tuple[InstrumentedAttribute[Any], datetime]]


@dataclass(frozen=True, slots=True)
class CleanupBatch:
    """One batch of a table: the number of deleted rows, or the error that ended its clean-up."""

    name: str
    rows: int = 0
    error: SQLAlchemyError | None = None


class CleanupFailed(Exception):
    """Expired rows of some tables were not deleted; those of the other tables are."""


def delete_expired_rows(expired: Expired, *, dry_run: bool = False) -> Iterator[CleanupBatch]:
    """Delete the expired rows of several tables; yield each batch after its commit.

    An error ends the clean-up of its table only.

    :param dry_run: count the rows, and delete none.
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
    """Run a clean-up to its end.

    :raises CleanupFailed: if the clean-up of a table failed.
    """
    if failed := sorted(batch.name for batch in batches if batch.error):
        raise CleanupFailed(f'not cleaned up: {", ".join(failed)}')


def delete_unlocked(
    model: Any, condition: ColumnElement[bool], *, order: Any = None, limit: int = BATCH_ROWS
) -> list[AnyRow]:
    """Delete rows that match, except those that another transaction has locked; return their keys.

    To wait for them could deadlock: clean-up deletes rows of many users in no order. The next run
    deletes the others. One statement, in the transaction of the caller if there is one.

    :param order: a column: the rows with its lowest values are deleted, and it is returned too.
    :param limit: the maximum number of rows.
    """
    key = inspect(model).primary_key
    unlocked = select(*key).where(condition).order_by(order).limit(limit)
    # A CTE: PostgreSQL may execute a subquery more than once, and would delete further rows.
    chosen = unlocked.with_for_update(skip_locked=True).cte('unlocked')
    returned = key if order is None else (*key, order)
    deleted = delete(model).where(tuple_(*key).in_(select(chosen)))
    return execute_in_own_transaction(deleted.returning(*returned), joins=True)


def delete_batch(model: Any, condition: ColumnElement[bool]) -> bool:
    """Delete at most `BATCH_ROWS` rows that match. Inside `atomic`.

    Returns whether there may be more.
    """
    key = inspect(model).primary_key
    chosen = select(*key).where(condition).limit(BATCH_ROWS).with_for_update().cte('chosen')
    deleted = delete(model).where(tuple_(*key).in_(select(chosen))).returning(key[0])
    return len(execute_in_own_transaction(deleted, joins=True)) == BATCH_ROWS


@non_atomic
def _delete_in_batches(column: InstrumentedAttribute[Any], moment: datetime) -> Iterator[int]:
    condition, limit, began = column <= moment, FIRST_BATCH_ROWS, time.monotonic()
    while rows := delete_unlocked(column.class_, condition, order=column, limit=limit):
        seconds = time.monotonic() - began
        yield len(rows)
        if len(rows) < limit:
            return
        limit = next_limit(limit, seconds)
        # From here on: the index still has the entries of deleted rows, and each batch would read
        # those of all batches before it.
        last = max(row[-1] for row in rows)
        condition, began = (column >= last) & (column <= moment), time.monotonic()


def next_limit(limit: int, seconds: float) -> int:
    """Return the size of the batch after one of this size that took this long."""
    if seconds > BATCH_SECONDS:
        return max(1, limit // 2)
    return min(BATCH_ROWS, limit * 2) if seconds < BATCH_SECONDS / 2 else limit


def _count(column: InstrumentedAttribute[Any], moment: datetime) -> int:
    counted = select(func.count()).select_from(column.class_).where(column <= moment)
    return int(execute_select(counted).scalar_one())
