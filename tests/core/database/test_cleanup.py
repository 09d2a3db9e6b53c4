"""Clean-up of expired rows in batches, while other transactions lock some of the rows."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from project.core.clock import now
from project.core.database import cleanup
from project.core.database.cleanup import delete_expired_rows, delete_unlocked, next_limit
from project.core.database.engines import write_execution_options
from project.core.database.session import atomic, db
from project.core.throttling import ThrottleCounter


def add_counters(count, age):
    """Add attempt counters that expired before `age`.

    A negative age adds counters that expire in the future.
    """
    with atomic():
        for number in range(count):
            resets_at = now() - age - timedelta(seconds=number // 2)
            db.session.add(
                ThrottleCounter(
                    kind=str(age), target_hash=str(number), attempts=1, resets_at=resets_at
                )
            )


def count():
    """Return the number of attempt counters."""
    return db.session.scalar(select(func.count()).select_from(ThrottleCounter))


class TestDeleteExpiredRows:
    def test_deletes_expired_rows_in_batches(self, durable, monkeypatch):
        """The counters expire in pairs: two counters have the same time of expiry.

        Each batch begins with the time at which the previous batch ended.
        """
        monkeypatch.setattr(cleanup, 'FIRST_BATCH_ROWS', 1)
        monkeypatch.setattr(cleanup, 'BATCH_ROWS', 3)
        monkeypatch.setattr(cleanup, 'BATCH_SECONDS', 60)
        add_counters(7, timedelta(hours=1))
        add_counters(2, -timedelta(hours=1))
        expired = {'counters': (ThrottleCounter.resets_at, now())}

        seen = [(batch.rows, count()) for batch in delete_expired_rows(expired)]

        # `delete_expired_rows` commits a batch before it yields the batch.
        assert seen == [(1, 8), (2, 6), (3, 3), (1, 2)]

    def test_counts_expired_rows(self, durable):
        add_counters(7, timedelta(hours=1))
        add_counters(2, -timedelta(hours=1))
        expired = {'counters': (ThrottleCounter.resets_at, now())}

        [batch] = delete_expired_rows(expired, dry_run=True)

        assert (batch.rows, count()) == (7, 9)

    def test_skips_locked_rows_and_continues(self, durable):
        """SQLite has no row locks: there the clean-up deletes all 40 rows."""
        add_counters(40, timedelta(hours=1))
        has_locks = db.engine.dialect.name == 'postgresql'
        options = write_execution_options(db.engine) if has_locks else {}
        oldest = select(ThrottleCounter.target_hash).order_by(ThrottleCounter.resets_at).limit(20)

        with db.engine.execution_options(**options).begin() as other:
            other.execute(oldest.with_for_update())
            list(delete_expired_rows({'counters': (ThrottleCounter.resets_at, now())}))

        assert count() == (20 if has_locks else 0)

    def test_raises_inside_a_transaction(self, durable):
        expired = {'counters': (ThrottleCounter.resets_at, now())}

        with pytest.raises(RuntimeError), atomic():
            list(delete_expired_rows(expired))


class TestNextLimit:
    @pytest.mark.parametrize(
        ('limit', 'seconds', 'expected'),
        [(16, 0.01, 32), (900, 0.01, 1000), (16, 0.15, 16), (16, 0.3, 8), (1, 9, 1)],
    )
    def test_depends_on_the_duration_of_the_batch(self, limit, seconds, expected):
        assert next_limit(limit, seconds) == expected


class TestDeleteUnlocked:
    def test_deletes_no_more_than_the_limit(self, durable):
        add_counters(4, timedelta(hours=1))
        condition = ThrottleCounter.resets_at <= now()

        rows = delete_unlocked(ThrottleCounter, condition, order=ThrottleCounter.resets_at, limit=3)

        assert (len(rows), count()) == (3, 1)
        [kept] = db.session.scalars(select(ThrottleCounter.target_hash))
        assert kept in {'0', '1'}

    def test_deletes_matching_rows_without_waiting_for_locks(self, durable):
        """SQLite has no row locks: there `FOR UPDATE` locks nothing."""
        with atomic():
            for kind, age in (('locked', 1), ('free', 1), ('live', -1)):
                resets_at = now() - timedelta(hours=age)
                db.session.add(
                    ThrottleCounter(kind=kind, target_hash='', attempts=1, resets_at=resets_at)
                )
        has_locks = db.engine.dialect.name == 'postgresql'
        options = write_execution_options(db.engine) if has_locks else {}
        locked = select(ThrottleCounter.kind).where(ThrottleCounter.kind == 'locked')

        with db.engine.execution_options(**options).begin() as other:
            other.execute(locked.with_for_update())
            delete_unlocked(ThrottleCounter, ThrottleCounter.resets_at <= now())

        kept = set(db.session.scalars(select(ThrottleCounter.kind)))
        assert kept == ({'locked', 'live'} if has_locks else {'live'})
