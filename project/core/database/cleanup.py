"""Deletion of expired rows beside running transactions."""

from typing import Any

from sqlalchemy import ColumnElement, delete, inspect, select, tuple_

from .session import execute_in_own_transaction


def delete_unlocked(model: Any, condition: ColumnElement[bool]) -> None:
    """Delete the rows that match, except those that another transaction has locked.

    To wait for them could deadlock: clean-up deletes rows of many users in no order. The next run
    deletes the others. One statement, in the transaction of the caller if there is one.
    """
    key = inspect(model).primary_key
    unlocked = select(*key).where(condition).with_for_update(skip_locked=True)
    execute_in_own_transaction(delete(model).where(tuple_(*key).in_(unlocked)), joins=True)
