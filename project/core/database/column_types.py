"""Checks that `value_codec` can convert the values of each column for JSON and cursors."""

from typing import Any

from sqlalchemy import JSON, MetaData
from sqlalchemy.types import TypeEngine

from project.core.value_codec import UnsupportedType, form_of


def python_type_of(column_type: TypeEngine[Any]) -> type:
    """Return the Python type of the values of a column.

    :raises UnsupportedType: if the column type does not define it, or `value_codec` cannot convert
        it.
    """
    if isinstance(column_type, JSON):
        return dict
    found = column_type.python_type
    if found is object:  # SQLAlchemy's default.
        raise UnsupportedType(f'{type(column_type).__name__} does not define python_type')
    form_of(found)
    return found


def validate_columns(metadata: MetaData) -> None:
    """Ensure that the values of all columns can be converted for JSON and cursors.

    :raises UnsupportedType: if the type of a column cannot be converted; the message names the
        table and the column.
    """
    for table in metadata.tables.values():
        for column in table.columns:
            try:
                python_type_of(column.type)
            except UnsupportedType as error:
                raise UnsupportedType(f'{table.name}.{column.name}: {error}') from None


def ensure_ordered(column: Any, owner: str) -> None:
    """Ensure that a list can be sorted by a column, and a cursor can contain its values.

    :param owner: the name of the list, for the message.
    :raises UnsupportedType: if the type cannot be converted, or its values have no order.
    """
    try:
        of = python_type_of(column.type)
    except UnsupportedType as error:
        raise UnsupportedType(f'{owner}: {column.key}: {error}') from None
    if not form_of(of).is_ordered:
        raise UnsupportedType(f'{owner}: {column.key}: a list cannot be sorted by {of.__name__}')
