"""Registration of columns that contain ciphertexts, for `flask secrets rotate`."""

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

# A batch is one transaction. It is small, so that other writers on SQLite do not wait for long.
BATCH_ROWS = 200


def register_encrypted_column(
    name: str, column: Any, *, purpose: str, used_in: str, effect: str
) -> None:
    """Register a column that contains ciphertexts of one purpose.

    :param name: the kind of the values, for operators.
    :param purpose: the purpose that the module passes to `encrypt` and `decrypt`.
    :param used_in: the module that encrypts the values.
    :param effect: the effect on clients if the key is removed.
    """
    register_encrypted_values(
        EncryptedValues(
            name, purpose, used_in, effect, partial(_batches, column), partial(_replace, column)
        )
    )


def _batches(column: Any) -> Iterator[Sequence[EncryptedRow]]:
    """Yield all ciphertexts in batches, in the order of the primary key.

    Each batch is a separate query, so that the caller can commit between batches.
    """
    key = _primary_key(column)
    found = select(*key, column).where(column.is_not(None)).order_by(*key).limit(BATCH_ROWS)
    rows = execute_select(found).all()
    while rows:
        batch = [EncryptedRow(tuple(row[:-1]), row[-1]) for row in rows]
        yield batch
        rows = execute_select(found.where(tuple_(*key) > batch[-1].key)).all()


@atomic()
def _replace(column: Any, fresh: Sequence[tuple[EncryptedRow, bytes]]) -> set[tuple[Any, ...]]:
    """Store new ciphertexts, except in rows that were changed in the meantime.

    :returns: the primary keys of the rows that got a new ciphertext.
    """
    key, replaced = _primary_key(column), set()
    for row, ciphertext in fresh:
        same = update(column.class_).where(tuple_(*key) == row.key, column == row.ciphertext)
        changed = same.values({column.key: ciphertext}).returning(*key)
        if db.session.execute(changed.execution_options(synchronize_session=False)).all():
            replaced.add(row.key)
    return replaced


def _primary_key(column: Any) -> tuple[Any, ...]:
    return tuple(inspect(column.class_).primary_key)
