"""Keyset pagination: the cursor contains the sort values of the last row of a page."""

from collections import namedtuple
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import chain
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Time,
    delete,
    insert,
    select,
)
from sqlalchemy import Enum as EnumType

from project.core.database.keyset_pagination import CursorInvalid, Keyset, PageRequest, _digest
from project.core.database.session import atomic, db
from project.core.security.signing import sign
from project.core.value_codec import UnsupportedType

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SORTS = ('id', 'uuid', 'name', 'size', 'created_at')
ORDERS = [order for name in SORTS for order in (name, f'-{name}')]


def row_of(table):
    """Return a named tuple type with the columns of a table."""
    return namedtuple('Row', table.c.keys())


@pytest.fixture
def listed(things):
    """Return a keyset that pages through the table `things`, in any of its sort orders."""
    sorts = {name: things.c[name] for name in SORTS}
    return Keyset(row_of(things), 'things', sorts=sorts, key=things.c.id, default='id')


@pytest.fixture
def add(things):
    """Return a function that inserts a row into `things` and returns its id."""

    def one(name='x', size=0, created_at=NOON, **values):
        values = {'uuid': uuid4(), 'name': name, 'size': size, 'created_at': created_at, **values}
        with atomic():
            row = db.session.execute(insert(things).values(values).returning(things.c.id))
            return row.scalar_one()

    return one


@pytest.fixture
def remove(things):
    """Return a function that deletes a row of `things`."""

    @atomic()
    def one(thing_id):
        db.session.execute(delete(things).where(things.c.id == thing_id))

    return one


def pages(listed: Keyset, statement, **request) -> Iterator[list[int]]:
    """Yield the ids on each page, following the cursors; fail after 20 pages."""
    cursor = None
    for _ in range(20):
        page = listed.page(statement, PageRequest(cursor=cursor, **request))
        yield [row.id for row in page.items]
        cursor = page.next
        if cursor is None:
            return
    raise AssertionError('there is no last page')


class TestPage:
    @pytest.mark.parametrize('order', ORDERS)
    def test_contains_every_row_once_in_every_order(self, listed, things, add, order):
        for number in range(11):
            # Every column except the id has duplicate values.
            add(name='ab'[number % 2], size=number // 3, created_at=NOON + timedelta(number // 4))
        column = things.c[order.removeprefix('-')]
        sign = -1 if order.startswith('-') else 1
        rows = db.session.execute(select(things.c.id, column.label('value'))).all()

        found = list(pages(listed, select(things), limit=3, sort=order))

        assert [len(page) for page in found] == [3, 3, 3, 2]
        assert list(chain(*found)) == [
            row.id for row in sorted(rows, key=lambda row: (row.value, row.id))[::sign]
        ]

    def test_is_the_whole_list_if_it_fits(self, listed, things, add):
        ids = [add(), add(), add()]

        page = listed.page(select(things), PageRequest(limit=3))

        assert [row.id for row in page.items] == ids
        assert page.next is None

    def test_is_empty_without_rows(self, listed, things):
        page = listed.page(select(things), PageRequest(limit=3))

        assert list(page.items) == []
        assert page.next is None

    def test_uses_the_default_order(self, things, add):
        ids = [add(), add()]
        newest = Keyset(
            row_of(things), 'things', sorts={'id': things.c.id}, key=things.c.id, default='-id'
        )

        page = newest.page(select(things), PageRequest())

        assert [row.id for row in page.items] == ids[::-1]

    def test_accepts_a_uuid_as_key(self, things, add):
        ids = {add() for _ in range(5)}
        by_uuid = Keyset(
            row_of(things), 't', sorts={'name': things.c.name}, key=things.c.uuid, default='name'
        )

        found = list(pages(by_uuid, select(things), limit=2))

        assert [len(page) for page in found] == [2, 2, 1]
        assert set(chain(*found)) == ids

    @pytest.mark.parametrize('order', ['size', '-size'])
    def test_neither_repeats_nor_omits_rows_when_others_change(
        self, listed, things, add, remove, order
    ):
        ids = [add(size=size) for size in (1, 1, 2, 2, 3, 3)]
        expected = ids if order == 'size' else ids[::-1]
        walk = pages(listed, select(things), limit=2, sort=order)

        first = next(walk)
        remove(first[-1])
        remove(expected[3])
        add(size=0 if order == 'size' else 9)
        rest = list(chain(*walk))

        assert first == expected[:2]
        assert rest == [expected[2], *expected[4:]]

    def test_contains_rows_added_after_the_cursor(self, listed, things, add):
        ids = [add(size=1), add(size=2), add(size=4)]
        walk = pages(listed, select(things), limit=2, sort='size')

        first = next(walk)
        late = add(size=3)

        assert first == ids[:2]
        assert list(walk) == [[late, ids[2]]]

    def test_runs_one_statement_per_page(self, listed, things, add, queries):
        for _ in range(5):
            add()

        with queries(max=3) as statements:
            assert len(list(pages(listed, select(things), limit=2))) == 3
        assert len(statements) == 3

    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        sizes=st.lists(st.integers(-3, 3), max_size=12),
        limit=st.integers(1, 5),
        order=st.sampled_from(['size', '-size']),
    )
    def test_is_complete_for_any_rows_and_limit(self, listed, things, sizes, limit, order):
        with atomic():
            db.session.execute(delete(things))
            if sizes:
                rows = [{'uuid': uuid4(), 'name': '', 'size': size} for size in sizes]
                db.session.execute(insert(things), rows)

        found = list(chain(*pages(listed, select(things), limit=limit, sort=order)))

        by_id = dict(db.session.execute(select(things.c.id, things.c.size)).all())
        assert len(set(found)) == len(found) == len(sizes)
        assert [by_id[i] for i in found] == sorted(sizes, reverse=order == '-size')


class Color(Enum):
    RED = 'r'
    GREEN = 'g'


@pytest.fixture
def measures(isolation):
    """Return a table with eleven rows and a column of each type that can be sorted."""
    table = Table(
        'measures',
        MetaData(),
        Column('id', Integer, primary_key=True),
        Column('on', Boolean, nullable=False),
        Column('share', Float, nullable=False),
        Column('day', Date, nullable=False),
        Column('at', Time, nullable=False),
        Column('took', Interval, nullable=False),
        Column('price', Numeric(10, 2), nullable=False),
        Column('digest', LargeBinary, nullable=False),
        Column('color', EnumType(Color), nullable=False),
        Column('moment', DateTime, nullable=False),
    )
    table.create(db.engines[None])
    with atomic():
        for number in range(11):
            part = number // 3
            db.session.execute(
                insert(table).values(
                    on=part % 2 == 0,
                    share=part / 7,
                    day=date(2026, 1, 1) + timedelta(days=part),
                    at=time(1, part, 0, part),
                    took=timedelta(hours=part, microseconds=part),
                    price=Decimal(part) / 10,
                    digest=bytes([part, 255]),
                    color=list(Color)[part % 2],
                    moment=datetime(2026, 1, 1, 0, part, 0, part),  # noqa: DTZ001
                )
            )
    return table


class TestColumnTypes:
    SORTS = ('on', 'share', 'day', 'at', 'took', 'price', 'digest', 'color', 'moment')

    @pytest.mark.parametrize('sort', [order for name in SORTS for order in (name, f'-{name}')])
    def test_are_sortable_if_they_have_an_order(self, measures, sort):
        column = measures.c[sort.removeprefix('-')]
        listed = Keyset(
            row_of(measures),
            'measures',
            sorts={column.key: column},
            key=measures.c.id,
            default=sort,
        )
        order = (column, measures.c.id)
        order = [c.desc() for c in order] if sort.startswith('-') else order
        expected = list(db.session.scalars(select(measures.c.id).order_by(*order)))

        found = list(pages(listed, select(measures), limit=2))

        assert list(chain(*found)) == expected
        assert len(found) == 6

    def test_raise_at_the_declaration_if_they_have_no_order(self, things):
        with pytest.raises(UnsupportedType, match="the list 'things': words: a list cannot be"):
            Keyset(
                row_of(things),
                'things',
                sorts={'words': things.c.words},
                key=things.c.id,
                default='words',
            )

    def test_reject_a_cursor_with_a_value_of_another_type(self, listed, things):
        cursor = sign('things', ['id', _digest({}), 'text'])

        with pytest.raises(CursorInvalid):
            listed.page(select(things), PageRequest(cursor=cursor))


class TestCursor:
    @pytest.fixture
    def cursor(self, listed, things, add):
        for number in range(5):
            add(size=number)
        return listed.page(select(things), PageRequest(limit=2, sort='size')).next

    def rejected(self, listed, things, **request):
        with pytest.raises(CursorInvalid) as error:
            listed.page(select(things), PageRequest(**request))
        assert error.value.http_code == 422
        return list(error.value.data) == ['cursor']

    def test_works_with_another_limit(self, listed, things, cursor):
        page = listed.page(select(things), PageRequest(limit=50, sort='size', cursor=cursor))

        assert [row.size for row in page.items] == [2, 3, 4]

    def test_is_opaque_text_for_urls(self, cursor):
        assert cursor.isascii()
        assert not set(cursor) & set('/+=&?# ')

    def test_is_rejected_in_another_order(self, listed, things, cursor):
        assert self.rejected(listed, things, cursor=cursor, sort='-size')
        assert self.rejected(listed, things, cursor=cursor, sort='name')
        assert self.rejected(listed, things, cursor=cursor)

    def test_is_rejected_with_other_filters(self, listed, things, cursor):
        assert self.rejected(listed, things, cursor=cursor, sort='size', filters={'name': 'x'})

    def test_is_bound_to_filters_of_every_type(self, listed, things, cursor):
        filters = {'id': UUID(int=1), 'since': NOON, 'tags': 'a', 'trashed': True}
        request = {'limit': 2, 'sort': 'size'}
        cursor = listed.page(select(things), PageRequest(**request, filters=filters)).next

        other_order = dict(reversed(filters.items()))
        again = PageRequest(**request, filters=other_order, cursor=cursor)
        assert [row.size for row in listed.page(select(things), again).items] == [2, 3]
        other = {**filters, 'id': UUID(int=2)}
        assert self.rejected(listed, things, **request, filters=other, cursor=cursor)

    def test_is_rejected_by_another_list(self, listed, things, cursor):
        other = Keyset(row_of(things), 'other', sorts=listed.sorts, key=listed.key, default='id')

        assert self.rejected(other, things, cursor=cursor, sort='size')

    def test_is_rejected_after_a_change(self, listed, things, cursor):
        swapped = ('A' if cursor[0] != 'A' else 'B') + cursor[1:]

        assert self.rejected(listed, things, cursor=swapped, sort='size')
        assert self.rejected(listed, things, cursor=cursor[:-2], sort='size')

    @pytest.mark.parametrize('value', [None, 5, 'size', {}, [], ['size']])
    def test_is_rejected_if_its_signed_value_is_not_a_cursor(self, listed, things, value):
        assert self.rejected(listed, things, cursor=sign('things', value), sort='size')

    @settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(text=st.text(min_size=1, max_size=40))
    def test_is_rejected_for_any_other_text(self, listed, things, text):
        text = text.encode('utf-8', 'replace').decode()

        assert self.rejected(listed, things, cursor=text)
