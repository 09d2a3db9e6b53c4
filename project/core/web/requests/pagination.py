"""The query string of a list: `limit`, `cursor`, `sort` and the filters that the list declares."""

from typing import Any
from urllib.parse import urlencode

from flask import request
from marshmallow import Schema, fields, validate

from project.core.database.keyset_pagination import PageRequest

MAX_LIMIT = 200

# A cursor may contain a name of 255 characters, each of which may be escaped.
MAX_CURSOR_CHARACTERS = 4200


class QueryInteger(fields.Int):
    """An integer in a query, in ASCII digits. `fields.Int` would also accept `1_000` and `²`."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> int:
        if not (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20):
            raise self.make_error('invalid', input=value)
        return super()._deserialize(value, attr, data, **kwargs)


class ListQuery(Schema):
    """Schema of the query string of a list.

    Subclasses add a field for each filter, and the field `sort`, which `sort_by` returns.
    """

    limit = QueryInteger(
        load_default=50,
        validate=validate.Range(1, MAX_LIMIT),
        metadata={'description': 'The maximum number of objects on the page.'},
    )
    cursor = fields.Str(
        validate=[validate.Length(1, MAX_CURSOR_CHARACTERS), validate.Regexp('^[A-Za-z0-9_.-]+$')],
        metadata={'description': 'The `next` of the previous page; missing for the first page.'},
    )


def sort_by(*names: str) -> fields.Str:
    """Return the field `sort`: it allows each name, and `-name` for descending order."""
    orders = [order for name in names for order in (name, f'-{name}')]
    text = 'The order of the objects; `-` for descending.'
    return fields.Str(validate=validate.OneOf(orders), metadata={'description': text})


def page_request(query: dict[str, Any]) -> PageRequest:
    """Return the loaded query string of a list as a PageRequest.

    The fields that a subclass of `ListQuery` adds are filters.
    """
    paging = {name: query.pop(name, None) for name in ('limit', 'cursor', 'sort')}
    return PageRequest(**paging, filters=query)


def next_link_header(cursor: str) -> str:
    """Return the `Link` header (RFC 8288) with the URL of the next page."""
    query = {**request.args.to_dict(), 'cursor': cursor}
    return f'<{request.script_root}{request.path}?{urlencode(query)}>; rel="next"'
