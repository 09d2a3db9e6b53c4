"""Column types."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import StatementError

from project.core.clock import EARLIEST_MOMENT, LATEST_MOMENT
from project.core.database.session import atomic, db

NOON = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def stored(things):
    """Return a function that stores a value and gives back what is read."""

    def store(**values):
        [name] = values
        rest = {'uuid': uuid4(), 'name': '', 'size': 0}
        with atomic():
            row = db.session.execute(insert(things).values(**rest, **values).returning(things.c.id))
            found = row.scalar_one()
        return db.session.scalar(select(things.c[name]).where(things.c.id == found))

    return store


class TestUTCDateTime:
    def test_gives_back_the_moment_aware_and_in_utc(self, stored):
        assert stored(created_at=NOON) == NOON
        assert stored(created_at=NOON).tzinfo is UTC

    def test_stores_utc_whatever_the_zone(self, stored):
        berlin = NOON.astimezone(timezone(timedelta(hours=1)))

        assert stored(created_at=berlin) == NOON
        assert stored(created_at=berlin).utcoffset() == timedelta(0)

    def test_keeps_nothing_as_nothing(self, stored):
        assert stored(created_at=None) is None

    def test_rejects_a_moment_without_a_zone(self, stored):
        with pytest.raises(StatementError, match='a moment needs a time zone'):
            stored(created_at=NOON.replace(tzinfo=None))

    @pytest.mark.parametrize('moment', [EARLIEST_MOMENT, LATEST_MOMENT])
    def test_stores_every_moment_that_a_request_may_have(self, stored, moment):
        assert stored(created_at=moment) == moment

    def test_can_be_compared_with(self, stored, things):
        stored(created_at=NOON)
        berlin = NOON.astimezone(timezone(timedelta(hours=1)))

        later = select(things.c.id).where(things.c.created_at > NOON - timedelta(microseconds=1))
        same = select(things.c.id).where(things.c.created_at == berlin)

        assert len(db.session.scalars(later).all()) == 1
        assert len(db.session.scalars(same).all()) == 1

    def test_says_what_it_is_in_python(self, things):
        assert things.c.created_at.type.python_type is datetime

    def test_converts_another_zone_of_the_server_to_utc(self, things):
        column_type = things.c.created_at.type
        berlin = NOON.astimezone(timezone(timedelta(hours=1)))

        assert column_type.process_result_value(berlin, None) == NOON
        assert column_type.process_result_value(berlin, None).tzinfo is UTC


class TestWords:
    @pytest.mark.parametrize(
        ('given', 'words'),
        [
            (['member', 'admin'], ['admin', 'member']),
            (['member'], ['member']),
            ([], []),
            (None, []),
        ],
    )
    def test_are_sorted(self, stored, given, words):
        assert stored(words=given) == words
