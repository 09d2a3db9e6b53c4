"""Columns of ciphertexts, declared for `flask secrets rotate`."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from sqlalchemy import inspect, select, tuple_, update

from project.core.security.key_usage import (
    EncryptedRow,
    EncryptedValues,
    register_encrypted_values,
)

from .session import atomic, db, execute_select

# Small enough that on SQLite no writer waits for long: a batch is one transaction.
BATCH_ROWS = 200


def register_encrypted_column(name: str, column: Any, *, purpose: str, used_in: str) -> None:
    """Declare a column that holds ciphertexts of one purpose.

    :param used_in: the module that encrypts them.
    """
    register_encrypted_values(
        EncryptedValues(
            name, purpose, used_in, partial(_batches, column), partial(_replace, column)
        )
    )


def _batches(column: Any) -> Iterator[Sequence[EncryptedRow]]:
    """Yield all ciphertexts by primary key, so that it can be read between transactions."""
    key = _primary_key(column)
    found = select(*key, column).where(column.is_not(None)).order_by(*key).limit(BATCH_ROWS)
    rows = execute_select(found).all()
    while rows:
        batch = [EncryptedRow(tuple(row[:-1]), row[-1]) for row in rows]
        yield batch
        rows = execute_select(found.where(tuple_(*key) > batch[-1].key)).all()


@atomic()
def _replace(column: Any, fresh: Sequence[tuple[EncryptedRow, bytes]]) -> set[tuple[Any, ...]]:
    """Store new ciphertexts where the old ones are still there: a concurrent change wins."""
    key, replaced = _primary_key(column), set()
    for row, ciphertext in fresh:
        same = update(column.class_).where(tuple_(*key) == row.key, column == row.ciphertext)
        changed = same.values({column.key: ciphertext}).returning(*key)
        if db.session.execute(changed.execution_options(synchronize_session=False)).all():
            replaced.add(row.key)
    return replaced


def _primary_key(column: Any) -> tuple[Any, ...]:
    return tuple(inspect(column.class_).primary_key)
