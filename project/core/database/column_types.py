"""The types of columns: each must have a form outside Python (`project.core.value_codec`)."""

from typing import Any

from sqlalchemy import JSON, MetaData
from sqlalchemy.types import TypeEngine

from project.core.value_codec import UnsupportedType, form_of


def python_type_of(column_type: TypeEngine[Any]) -> type:
    """Return the type of the values of a column.

    :raises UnsupportedType: if the column type does not name it, or the type has no form.
    """
    if isinstance(column_type, JSON):
        return dict
    found = column_type.python_type
    if found is object:  # The default of SQLAlchemy.
        raise UnsupportedType(f'{type(column_type).__name__} does not say its python_type')
    form_of(found)
    return found


def validate_columns(metadata: MetaData) -> None:
    """Check that the values of every column can be written as JSON and read from a cursor.

    :raises UnsupportedType: with the table and the column, if the type of one has no form.
    """
    for table in metadata.tables.values():
        for column in table.columns:
            try:
                python_type_of(column.type)
            except UnsupportedType as error:
                raise UnsupportedType(f'{table.name}.{column.name}: {error}') from None


def ensure_ordered(column: Any, owner: str) -> None:
    """Check that a list can be sorted by a column, and a cursor can contain its values.

    :param owner: the list, for the message.
    :raises UnsupportedType: if the type has no form, or its values have no order.
    """
    try:
        of = python_type_of(column.type)
    except UnsupportedType as error:
        raise UnsupportedType(f'{owner}: {column.key}: {error}') from None
    if not form_of(of).is_ordered:
        raise UnsupportedType(f'{owner}: {column.key}: a list cannot be sorted by {of.__name__}')
