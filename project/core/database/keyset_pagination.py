"""Keyset pagination: every page of a list costs the same, without OFFSET and COUNT.

A page contains a signed cursor, with which a client requests the next page. A cursor is only valid
for the same list, order and filters.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Generic, TypeVarTuple
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, Integer, Row, Select, bindparam, tuple_

from project.core.errors import UnprocessableContent
from project.core.registration import Registry, calling_module, is_in_project
from project.core.security.key_usage import register_expiring_values
from project.core.security.signing import sign, unsign
from project.core.value_codec import decode, encode

from .column_types import ensure_ordered, python_type_of
from .compiled_query import CompiledQuery
from .rows import R
from .session import AnySelect, db

Ts = TypeVarTuple('Ts')

BATCH_ROWS = 500

register_expiring_values(
    'cursors of lists',
    used_in=__name__,
    lifetime=None,
    effect='422 for the cursor; the client starts again at the first page',
)


class CursorInvalid(UnprocessableContent):
    """The cursor does not belong to this list with this order and these filters."""

    field, reason = 'cursor', 'Not a cursor of this list with this sort and these filters'


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The page that a client requests: number of rows, cursor, order and filters."""

    limit: int = 50
    cursor: str | None = None
    sort: str | None = None
    filters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """The rows of a page, and the cursor of the next page, or None on the last page."""

    items: Sequence[R]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Keyset(Generic[R]):
    """A list that can be paged, and the columns by which clients may sort it.

    Rows with equal values are sorted by the primary key. The columns must be NOT NULL, and the
    statement must select them under their own names.

    :param row: the type of the rows.
    :param name: the name of the list, which begins with the name of the feature. Cursors of a list
        with another name are rejected.
    :param sorts: the columns by which clients may sort. The keys are their names in requests.
    :param key: the column of the primary key.
    :param default: the default order, such as `-created_at`.
    :raises UnsupportedType: if a list cannot be sorted by a column, or a cursor cannot contain it.
    :raises RegistrationError: if another list has the name, or the name has another prefix.
    """

    row: type[R]
    name: str
    sorts: Mapping[str, Any]
    key: Any
    default: str
    _queries: WeakKeyDictionary[AnySelect, dict[tuple[str, bool], CompiledQuery[R]]] = field(
        default_factory=WeakKeyDictionary, compare=False, repr=False
    )

    def __post_init__(self) -> None:
        """Register the name, and check that the list can be sorted by each column."""
        owner = calling_module(__name__)
        if is_in_project(owner):  # A test may define a list repeatedly.
            _lists.register(self.name, self, owner=owner)
        for column in (self.key, *self.sorts.values()):
            ensure_ordered(column, f'the list {self.name!r}')

    def page(self, statement: AnySelect, request: PageRequest, **values: Any) -> Page[R]:
        """Return the requested page.

        :param statement: the query of the list. Pass the same object each time: the compiled
            queries are cached per object.
        :param values: the values of the statement's parameters.
        :raises CursorInvalid: if the cursor belongs to another list, to another order or to other
            filters.
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

    def _query(self, statement: AnySelect, sort: str, *, further: bool) -> CompiledQuery[R]:
        """Return the query of the first page, or with `further` that of a page after a cursor.

        Each query is compiled once per order.
        """
        known = self._queries.setdefault(statement, {})
        if (sort, further) not in known:
            order, descending = self._order(sort), sort.startswith('-')
            if further:
                place = [bindparam(f'place_{at}', type_=c.type) for at, c in enumerate(order)]
                here, there = tuple_(*order), tuple_(*place)
                statement = statement.where(here < there if descending else here > there)
            statement = statement.order_by(*(c.desc() if descending else c for c in order))
            limited = statement.limit(bindparam('rows', type_=Integer))
            known[sort, further] = CompiledQuery(self.row, limited)
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
            # The cursor was created by a release in which the column had another type.
            raise CursorInvalid from None


_lists: Registry[Keyset[Any]] = Registry('list', has_prefix=True)


def _digest(filters: Mapping[str, Any]) -> str:
    """Return a short hash of the filters, which a cursor contains."""
    words = repr([(name, filters[name]) for name in sorted(filters)])
    return sha256(words.encode()).hexdigest()[:16]


def iterate_pages(page_of: Callable[[PageRequest], Page[R]]) -> Iterator[R]:
    """Yield all rows of a list, page by page. Commands and exports use it.

    :param page_of: a function that returns the requested page.
    """
    page = PageRequest(limit=200)
    while True:
        found = page_of(page)
        yield from found.items
        if found.next is None:
            return
        page = replace(page, cursor=found.next)


def iterate_in_batches(found: Select[*Ts], *keys: Any) -> Iterator[Row[*Ts]]:
    """Yield all rows of a SELECT, read in batches. Commands, exports and clean-up use it.

    :param keys: selected columns that together are unique. The rows are sorted by them.
    """
    found = found.order_by(*keys).limit(BATCH_ROWS)
    rows = db.session.execute(found).all()
    while rows:
        yield from rows
        place = tuple(rows[-1]._mapping[key] for key in keys)
        rows = db.session.execute(found.where(tuple_(*keys) > place)).all()
