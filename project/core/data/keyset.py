"""Lists that cost the same on every page: keyset, no OFFSET, no COUNT.

The place where a page ends is a signed cursor, bound to the list, its order and its filters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, tuple_

from project.core.errors import Invalid
from project.core.signing import sign, unsign

from .database import AnySelect, read


class CursorInvalid(Invalid):
    """The cursor was not made by this list in this order with these filters."""

    field, reason = 'cursor', 'Not a cursor of this list'


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a list is wanted: how many rows, in which order, from where on."""

    limit: int = 50
    cursor: str | None = None
    sort: str | None = None
    filters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a list, and the cursor of the next ones, if there are any."""

    items: Sequence[Any]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Keyset:
    """How a list is ordered: by which declared columns, and by its primary key where they tie.

    The columns must not be null, and must be selected under the names they are declared by.
    """

    name: str
    sorts: Mapping[str, Any]
    key: Any
    default: str

    def page(self, statement: AnySelect, request: PageRequest) -> Page:
        """Return the rows that were asked for, or refuse with CursorInvalid."""
        sort = request.sort or self.default
        column = self.sorts[sort.removeprefix('-')]
        order = (column,) if column is self.key else (column, self.key)
        descending = sort.startswith('-')
        if request.cursor:
            place = tuple_(*self._read(request.cursor, sort, request.filters, order))
            here = tuple_(*order)
            statement = statement.where(here < place if descending else here > place)
        statement = statement.order_by(*(c.desc() if descending else c for c in order))
        rows = read(statement.limit(request.limit + 1)).all()
        if len(rows) <= request.limit:
            return Page(rows)
        items = rows[: request.limit]
        end = [_frozen(getattr(items[-1], c.key)) for c in order]
        return Page(items, sign(self.name, [sort, _frozen(request.filters), *end]))

    def _read(
        self,
        cursor: str,
        sort: str,
        filters: Mapping[str, Any],
        order: Sequence[ColumnElement[Any]],
    ) -> list[Any]:
        value = unsign(self.name, cursor)
        if not isinstance(value, list) or value[:2] != [sort, _frozen(filters)]:
            raise CursorInvalid
        return [_thawed(text, c) for text, c in zip(value[2:], order, strict=True)]


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return [[key, _frozen(value[key])] for key in sorted(value)]
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def _thawed(value: Any, column: ColumnElement[Any]) -> Any:
    kind = column.type.python_type
    if issubclass(kind, datetime):
        return datetime.fromisoformat(value)
    return UUID(value) if issubclass(kind, UUID) else value
