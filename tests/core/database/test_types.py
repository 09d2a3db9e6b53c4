"""Column types: values before and after they are stored."""

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
    """Return a function that stores a value and returns it as read from the database."""

    def store(**values):
        [name] = values
        rest = {'uuid': uuid4(), 'name': '', 'size': 0}
        with atomic():
            row = db.session.execute(insert(things).values(**rest, **values).returning(things.c.id))
            found = row.scalar_one()
        return db.session.scalar(select(things.c[name]).where(things.c.id == found))

    return store


class TestUTCDateTime:
    def test_returns_an_aware_time_in_utc(self, stored):
        assert stored(created_at=NOON) == NOON
        assert stored(created_at=NOON).tzinfo is UTC

    def test_converts_any_zone_to_utc(self, stored):
        berlin = NOON.astimezone(timezone(timedelta(hours=1)))

        assert stored(created_at=berlin) == NOON
        assert stored(created_at=berlin).utcoffset() == timedelta(0)

    def test_stores_none(self, stored):
        assert stored(created_at=None) is None

    def test_rejects_a_time_without_a_zone(self, stored):
        with pytest.raises(StatementError, match='a moment needs a time zone'):
            stored(created_at=NOON.replace(tzinfo=None))

    @pytest.mark.parametrize('moment', [EARLIEST_MOMENT, LATEST_MOMENT])
    def test_stores_the_earliest_and_the_latest_time(self, stored, moment):
        assert stored(created_at=moment) == moment

    def test_supports_comparison(self, stored, things):
        stored(created_at=NOON)
        berlin = NOON.astimezone(timezone(timedelta(hours=1)))

        later = select(things.c.id).where(things.c.created_at > NOON - timedelta(microseconds=1))
        same = select(things.c.id).where(things.c.created_at == berlin)

        assert len(db.session.scalars(later).all()) == 1
        assert len(db.session.scalars(same).all()) == 1

    def test_has_datetime_as_python_type(self, things):
        assert things.c.created_at.type.python_type is datetime

    def test_converts_the_zone_of_the_server_to_utc(self, things):
        column_type = things.c.created_at.type
        berlin = NOON.astimezone(timezone(timedelta(hours=1)))

        assert column_type.process_result_value(berlin, None) == NOON
        assert column_type.process_result_value(berlin, None).tzinfo is UTC


class TestWordList:
    @pytest.mark.parametrize(
        ('given', 'words'),
        [
            (['member', 'admin'], ['admin', 'member']),
            (['member'], ['member']),
            ([], []),
            (None, []),
        ],
    )
    def test_sorts_the_words(self, stored, given, words):
        assert stored(words=given) == words
