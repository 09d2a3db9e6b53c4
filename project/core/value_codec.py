"""Conversion of column values for JSON, cursors, terminals and the OpenAPI document.

All four use the table `FORMS`, which maps types to their conversion functions. When the application
starts, `validate_columns` rejects columns of other types. `ensure_ordered` rejects lists that are
sorted by a column whose values have no order.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any
from uuid import UUID

from .clock import rfc3339

EMPTY = '-'


class UnsupportedType(TypeError):
    """A Python type that is not in the table `FORMS`."""


@dataclass(frozen=True, slots=True)
class Form:
    """The conversion functions of a Python type.

    :param encode: returns a value as a JSON type, without loss.
    :param decode: returns the original value. Its arguments are the encoded value and the type,
        which may be a subclass of the type in `FORMS`.
    :param display: returns text for people; by default the text of the encoded value.
    :param is_ordered: whether a list can be sorted by such values.
    """

    encode: Callable[[Any], Any]
    decode: Callable[[Any, Any], Any]
    display: Callable[[Any], str] | None = None
    is_ordered: bool = True


def encode(value: Any) -> object:
    """Return a column value, or a list or mapping of such values, as JSON types.

    :raises UnsupportedType: if the type of a value is not in `FORMS`.
    """
    if value is None or type(value) in JSON_TYPES:
        return value
    if isinstance(value, Mapping):
        return {str(key): encode(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [encode(inner) for inner in value]
    return form_of(type(value)).encode(value)


def decode(value: Any, of: type) -> object:
    """Return the value from which `encode` made the encoded value.

    :param of: the type of the original value.
    :raises ValueError: if the encoded value does not fit this type.
    :raises UnsupportedType: if the type is not in `FORMS`.
    """
    form = form_of(of)
    try:
        return form.decode(value, of)
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
        raise ValueError(f'not a {of.__name__}') from error


def display(value: Any) -> str:
    """Return a value as text for people."""
    if value is None:
        return EMPTY
    if isinstance(value, list | tuple | set | frozenset):
        return ' '.join(map(display, value))
    if isinstance(value, Mapping):
        return json.dumps(encode(value), ensure_ascii=False)
    try:
        form = form_of(type(value))
    except UnsupportedType:
        return str(value)
    return form.display(value) if form.display else str(form.encode(value))


def form_of(of: type) -> Form:
    """Return the conversion functions of a type, or of its nearest base class in `FORMS`.

    :raises UnsupportedType: if neither is in `FORMS`.
    """
    # Check Enum before the other types: an enumeration may also be a subclass of int or str.
    parents = (Enum, *of.__mro__) if issubclass(of, Enum) else of.__mro__
    for parent in parents:
        if parent in FORMS:
            return FORMS[parent]
    raise UnsupportedType(f'{of.__name__} has no form in project.core.value_codec')


def _same(value: Any) -> Any:
    return value


def _exactly(value: Any, of: type) -> Any:
    # Use `type()`, not `isinstance()`, because a bool must not be accepted as an int.
    if type(value) is not of:
        raise TypeError(type(value).__name__)
    return value


def _number(value: Any, of: type) -> float:
    if type(value) not in (int, float):
        raise TypeError(type(value).__name__)
    return of(value)  # type: ignore[no-any-return]


def _seconds(value: timedelta) -> int | float:
    """Return a duration in seconds. Exact to the microsecond below 270 years."""
    return value.total_seconds() if value.microseconds else value // timedelta(seconds=1)


def _decimal(value: str, _of: type) -> Decimal:
    try:
        return Decimal(_exactly(value, str))
    except InvalidOperation as error:
        raise TypeError(value) from error


JSON_TYPES = {str, int, float, bool}

FORMS: Mapping[type, Form] = {
    bool: Form(_same, _exactly, str),
    int: Form(int, _exactly, str),
    float: Form(float, _number, str),
    str: Form(str, _exactly, str),
    UUID: Form(str, lambda value, of: of(value)),
    datetime: Form(
        lambda value: rfc3339(value) if value.tzinfo else value.isoformat(),
        lambda value, of: of.fromisoformat(value),
        lambda value: value.isoformat(' ', 'seconds'),
    ),
    date: Form(date.isoformat, lambda value, of: of.fromisoformat(value)),
    time: Form(time.isoformat, lambda value, of: of.fromisoformat(value)),
    timedelta: Form(_seconds, lambda value, of: of(seconds=value), str),
    # As text, because most JSON parsers convert numbers to binary floating point, which loses
    # digits.
    Decimal: Form(lambda value: format(value, 'f'), _decimal),
    bytes: Form(
        lambda value: b64encode(value).decode(),
        lambda value, of: b64decode(value, validate=True),
    ),
    # An enumeration is converted to its name, because SQLAlchemy stores the name and marshmallow
    # serializes it.
    Enum: Form(lambda value: value.name, lambda value, of: of[value]),
    dict: Form(encode, _exactly, is_ordered=False),
    list: Form(encode, _exactly, is_ordered=False),
}
