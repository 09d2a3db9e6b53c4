"""Upserts: INSERT … ON CONFLICT."""

from datetime import UTC, datetime

from sqlalchemy import select

from project.core.database.session import atomic, db
from project.core.database.upsert import upsert
from project.core.throttling import ThrottleCounter

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@atomic()
def add_up(target, spent, **rest):
    statement = upsert(
        ThrottleCounter,
        {'kind': 'test', 'target_hash': target, 'attempts': spent, 'resets_at': NOON},
        conflict=('kind', 'target_hash'),
        change={'attempts': ThrottleCounter.attempts + spent},
        **rest,
    )
    return db.session.execute(statement.returning(ThrottleCounter.attempts)).scalar_one_or_none()


class TestUpsert:
    def test_inserts_a_new_row(self):
        assert add_up('a', 5) == 5
        assert add_up('b', 7) == 7

    def test_updates_an_existing_row(self):
        add_up('a', 5)

        assert add_up('a', 2) == 7
        assert db.session.scalars(select(ThrottleCounter.attempts)).all() == [7]

    def test_keeps_a_row_that_does_not_meet_the_condition(self):
        add_up('a', 5)

        assert add_up('a', 2, where=ThrottleCounter.attempts < 5) is None
        assert add_up('a', 2, where=ThrottleCounter.attempts == 5) == 7
