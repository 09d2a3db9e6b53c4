"""What a list may be asked: `limit`, `cursor`, `sort` and the filters it declares, nothing else."""

from typing import Any
from urllib.parse import urlencode

from flask import request
from marshmallow import Schema, fields, validate

from project.core.database.keyset_pagination import PageRequest

MAX_LIMIT = 200

# A place may be a name of 255 characters, each of them escaped.
MAX_CURSOR_CHARACTERS = 4200


class QueryInteger(fields.Int):
    """A whole number in a query: ASCII digits, where `Int` would also take `1_000` and `²`."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> int:
        if not (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20):
            raise self.make_error('invalid', input=value)
        return super()._deserialize(value, attr, data, **kwargs)


class ListQuery(Schema):
    """The query of a list. A feature adds its filters as fields, and its orders by `sort_by`."""

    limit = QueryInteger(load_default=50, validate=validate.Range(1, MAX_LIMIT))
    cursor = fields.Str(
        validate=[validate.Length(1, MAX_CURSOR_CHARACTERS), validate.Regexp('^[A-Za-z0-9_.-]+$')]
    )


def sort_by(*names: str) -> fields.Str:
    """Return the field of the orders a list knows: each name, and `-name` for descending."""
    orders = [order for name in names for order in (name, f'-{name}')]
    return fields.Str(validate=validate.OneOf(orders))


def page_request(query: dict[str, Any]) -> PageRequest:
    """Return a loaded query as a service wants it: what is no paging is a filter."""
    paging = {name: query.pop(name, None) for name in ('limit', 'cursor', 'sort')}
    return PageRequest(**paging, filters=query)


def next_link_header(cursor: str) -> str:
    """Return the `Link` header (RFC 8288) of the next page: the same query, another cursor."""
    query = {**request.args.to_dict(), 'cursor': cursor}
    return f'<{request.path}?{urlencode(query)}>; rel="next"'
