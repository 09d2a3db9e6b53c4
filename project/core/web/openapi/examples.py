"""Examples of request bodies, which the documentation page proposes.

They consist of the examples of the fields: `metadata={'example': …}`, otherwise a value that
follows from the type of the field. An optional field is part of the example only if it declares
one.
"""

from collections.abc import Callable
from typing import Any

from marshmallow import Schema, fields, validate

from project.core.value_codec import encode
from project.core.web.requests.column_fields import FixedDecimal
from project.core.web.requests.fields import (
    EmailAddress,
    OtpCode,
    Password,
    Timestamp,
)

Field = fields.Field[Any]

# The values by class of field: the first one that fits decides.
VALUES: tuple[tuple[type[Field], Any], ...] = (
    (EmailAddress, 'ada@example.com'),
    (OtpCode, '123456'),
    (Password, 'Analytical engine, 1843'),
    (Timestamp, '2031-12-10T08:30:00Z'),
    (fields.UUID, '6f9619ff-8b86-4d11-b42d-00c04fc964ff'),
    (fields.Bool, True),
    (fields.Date, '2031-12-10'),
    (FixedDecimal, '12.50'),
    (fields.Dict, {}),
)


def example_of(schema: type[Schema]) -> dict[str, Any]:
    """Return a valid example of a request schema."""
    return {
        field.data_key or name: example_of_field(name, field)
        for name, field in schema._declared_fields.items()
        if field.required or 'example' in field.metadata
    }


def example_of_field(name: str, field: Field) -> Any:
    """Return an example of a value of a field."""
    if 'example' in field.metadata:
        return field.metadata['example']
    if isinstance(field, fields.List):
        return [example_of_field(name.removesuffix('s'), field.inner)]
    if isinstance(field, fields.Nested):
        return example_of(type(field.schema))
    if choices := _choices(field):
        return choices[0]
    for kind, value in VALUES:
        if isinstance(field, kind):
            return value
    if isinstance(field, fields.Number):
        return max(1, _limit(field, validate.Range, lambda range_: range_.min) or 1)
    longest = _limit(field, validate.Length, lambda length: length.max)
    return name.replace('_', ' ').capitalize()[:longest]


def _choices(field: Field) -> list[Any]:
    if isinstance(field, fields.Enum):
        return [field.serialize('value', {'value': member}) for member in _members(field)]
    return [encode(c) for v in field.validators if isinstance(v, validate.OneOf) for c in v.choices]


def _members(field: fields.Enum[Any]) -> list[Any]:
    members: Any = field.enum
    return list(members)


def _limit(field: Field, kind: type[Any], read: Callable[[Any], Any]) -> Any:
    return next((read(v) for v in field.validators if isinstance(v, kind)), None)
