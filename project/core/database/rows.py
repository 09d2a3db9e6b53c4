"""Typed rows: named tuples whose fields have the same names as the columns of a statement."""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Result
from sqlalchemy.exc import MultipleResultsFound

from .session import AnySelect, execute_select

R = TypeVar('R', bound=NamedTuple)


def select_rows(
    row: type[R], statement: AnySelect, parameters: Mapping[str, Any] | None = None
) -> list[R]:
    """Return the rows of a SELECT of columns.

    :param row: the type of the rows; its fields must have the names of the columns.
    :raises TypeError: if the names differ.
    """
    return typed_rows(row, execute_select(statement, parameters))


def select_row(
    row: type[R], statement: AnySelect, parameters: Mapping[str, Any] | None = None
) -> R | None:
    """Return the only row of a SELECT of columns, or None. See `select_rows`."""
    found = select_rows(row, statement, parameters)
    if len(found) > 1:
        raise MultipleResultsFound
    return found[0] if found else None


def typed_rows(row: type[R], result: Result[*tuple[Any, ...]]) -> list[R]:
    """Convert the rows of a result to the row type `row`.

    :raises TypeError: if the fields of the type are not the columns of the result.
    """
    validate_row(row, list(result.keys()))
    return [row._make(found) for found in result]


def validate_row(row: type[NamedTuple], columns: list[str]) -> None:
    """Ensure that a row type has the same fields as a statement has columns.

    :raises TypeError: if they differ.
    """
    if list(row._fields) != columns:
        raise TypeError(f'{row.__name__} has the fields {row._fields}, the columns are {columns}')
