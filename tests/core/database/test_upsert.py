"""INSERT … ON CONFLICT."""

from datetime import UTC, datetime

from sqlalchemy import select

from project.core.database.session import atomic, db
from project.core.database.upsert import insert_or
from project.core.throttling import Guess

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@atomic()
def upsert(target, spent, **rest):
    statement = insert_or(
        Guess,
        {'kind': 'test', 'target': target, 'spent': spent, 'until': NOON},
        conflict=('kind', 'target'),
        change={'spent': Guess.spent + spent},
        **rest,
    )
    return db.session.execute(statement.returning(Guess.spent)).scalar_one_or_none()


class TestInsertOr:
    def test_inserts_what_is_not_there(self):
        assert upsert('a', 5) == 5
        assert upsert('b', 7) == 7

    def test_changes_the_row_that_is(self):
        upsert('a', 5)

        assert upsert('a', 2) == 7
        assert db.session.scalars(select(Guess.spent)).all() == [7]

    def test_leaves_a_row_alone_for_which_the_condition_does_not_hold(self):
        upsert('a', 5)

        assert upsert('a', 2, where=Guess.spent < 5) is None
        assert upsert('a', 2, where=Guess.spent == 5) == 7
