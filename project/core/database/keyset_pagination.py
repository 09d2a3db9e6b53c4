"""Lists that cost the same on every page: keyset, no OFFSET, no COUNT.

The place where a page ends is a signed cursor, bound to the list, its order and its filters.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, Integer, bindparam, tuple_

from project.core.errors import UnprocessableContent
from project.core.security.key_usage import register_expiring_values
from project.core.security.signing import sign, unsign
from project.core.value_codec import decode, encode

from .column_types import ensure_ordered, python_type_of
from .compiled_query import CompiledQuery
from .session import AnyRow, AnySelect, db

BATCH_ROWS = 500

register_expiring_values(
    'cursors of lists',
    used_in=__name__,
    lifetime=None,
    effect='422 for the cursor; the client starts again at the first page',
)


class CursorInvalid(UnprocessableContent):
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

    :raises UnsupportedType: if values of a column have no order, or no form in a cursor.
    """

    name: str
    sorts: Mapping[str, Any]
    key: Any
    default: str
    _queries: WeakKeyDictionary[AnySelect, dict[tuple[str, bool], CompiledQuery]] = field(
        default_factory=WeakKeyDictionary, compare=False, repr=False
    )

    def __post_init__(self) -> None:
        """Check the types of the columns, before any row has such a value."""
        for column in (self.key, *self.sorts.values()):
            ensure_ordered(column, f'the list {self.name!r}')

    def page(self, statement: AnySelect, request: PageRequest, **values: Any) -> Page:
        """Return the rows that were asked for, or refuse with CursorInvalid.

        :param statement: the same object for the same list, for what is made of it is kept.
        :param values: of the statement's parameters.
        """
        sort = request.sort or self.default
        order = self._order(sort)
        if request.cursor:
            place = self._read(request.cursor, sort, request.filters, order)
            values |= {f'place_{at}': value for at, value in enumerate(place)}
        query = self._query(statement, sort, further=bool(request.cursor))
        rows = query.all(**values, rows=request.limit + 1)
        if len(rows) <= request.limit:
            return Page(rows)
        items = rows[: request.limit]
        end = [encode(getattr(items[-1], c.key)) for c in order]
        return Page(items, sign(self.name, [sort, _digest(request.filters), *end]))

    def _order(self, sort: str) -> tuple[Any, ...]:
        column = self.sorts[sort.removeprefix('-')]
        return (column,) if column is self.key else (column, self.key)

    def _query(self, statement: AnySelect, sort: str, *, further: bool) -> CompiledQuery:
        """Return the query of a first or a further page, made once for each order."""
        known = self._queries.setdefault(statement, {})
        if (sort, further) not in known:
            order, descending = self._order(sort), sort.startswith('-')
            if further:
                place = [bindparam(f'place_{at}', type_=c.type) for at, c in enumerate(order)]
                here, there = tuple_(*order), tuple_(*place)
                statement = statement.where(here < there if descending else here > there)
            statement = statement.order_by(*(c.desc() if descending else c for c in order))
            known[sort, further] = CompiledQuery(statement.limit(bindparam('rows', type_=Integer)))
        return known[sort, further]

    def _read(
        self,
        cursor: str,
        sort: str,
        filters: Mapping[str, Any],
        order: Sequence[ColumnElement[Any]],
    ) -> list[Any]:
        value = unsign(self.name, cursor)
        if not isinstance(value, list) or value[:2] != [sort, _digest(filters)]:
            raise CursorInvalid
        try:
            pairs = zip(value[2:], order, strict=True)
            return [decode(text, python_type_of(column.type)) for text, column in pairs]
        except ValueError:
            # Of a release in which the column had another type.
            raise CursorInvalid from None


def _digest(filters: Mapping[str, Any]) -> str:
    """Return what tells filters apart, however long they are."""
    words = repr([(name, filters[name]) for name in sorted(filters)])
    return sha256(words.encode()).hexdigest()[:16]


def iterate_pages(page_of: Callable[[PageRequest], Page]) -> Iterator[Any]:
    """Yield every row of a list, a page at a time. For operators and exports."""
    page = PageRequest(limit=200)
    while True:
        found = page_of(page)
        yield from found.items
        if found.next is None:
            return
        page = replace(page, cursor=found.next)


def iterate_in_batches(found: AnySelect, *keys: Any) -> Iterator[AnyRow]:
    """Yield every row of a select, a few hundred at a time. For operators, exports and sweepers.

    :param keys: the columns, among its own, that no two rows share: in their order they come.
    """
    found = found.order_by(*keys).limit(BATCH_ROWS)
    rows = db.session.execute(found).all()
    while rows:
        yield from rows
        place = tuple(rows[-1]._mapping[key] for key in keys)
        rows = db.session.execute(found.where(tuple_(*keys) > place)).all()
