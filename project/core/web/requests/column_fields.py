"""Fields of request schemas whose values are stored in columns.

They reject values that the column or a JSON response cannot contain.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from marshmallow import fields, validate

# The range of the column type INTEGER on PostgreSQL.
MIN_INTEGER, MAX_INTEGER = -(2**31), 2**31 - 1

# The range of integers that JSON responses can contain (a limit of orjson).
MIN_JSON_INTEGER, MAX_JSON_INTEGER = -(2**63), 2**64 - 1


class Integer(fields.Int):
    """An integer for a column of type INTEGER. Rejects `true` and `"1"`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strict=True, validate=validate.Range(MIN_INTEGER, MAX_INTEGER), **kwargs)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> int:
        if isinstance(value, bool | str):
            raise self.make_error('invalid')
        return super()._deserialize(value, *args, **kwargs)


class Boolean(fields.Bool):
    """`true` or `false`. Unlike `fields.Bool`, it rejects texts and numbers."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error('invalid', input=value)
        return value


class FixedDecimal(fields.Decimal):
    """A decimal number as text, such as `"12.50"`. Rejects surplus digits instead of rounding.

    :param digits: the maximum number of digits.
    :param places: the number of digits after the point, as in `Numeric(digits, places)`.
    """

    def __init__(self, *, digits: int, places: int, **kwargs: Any) -> None:
        self.pattern = rf'-?[0-9]{{1,{digits - places}}}(\.[0-9]{{1,{places}}})?'
        metadata = {'pattern': f'^{self.pattern}$', **kwargs.pop('metadata', {})}
        super().__init__(as_string=True, metadata=metadata, **kwargs)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Decimal:
        if not (isinstance(value, str) and re.fullmatch(self.pattern, value)):
            raise self.make_error('invalid')
        return Decimal(value)


class JsonObject(fields.Dict):
    """A JSON object. Rejects integers that a response cannot contain."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        loaded: dict[str, Any] = super()._deserialize(value, *args, **kwargs)  # type: ignore[no-untyped-call]
        if any(not MIN_JSON_INTEGER <= number <= MAX_JSON_INTEGER for number in _integers(loaded)):
            raise self.make_error('invalid')
        return loaded


def _integers(value: Any) -> Iterator[int]:
    """Yield all integers in a JSON value."""
    if isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _integers(member)
    elif isinstance(value, int):
        yield value
