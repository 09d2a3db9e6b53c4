"""Clean-up: delete expired rows beside running transactions."""

from datetime import timedelta

from sqlalchemy import select

from project.core.clock import now
from project.core.database.cleanup import delete_unlocked
from project.core.database.engines import write_execution_options
from project.core.database.session import atomic, db
from project.core.throttling import ThrottleCounter


class TestDeleteUnlocked:
    def test_deletes_matching_rows_and_waits_for_no_lock(self, durable):
        """SQLite has no locks of rows, so the other connection only reads there."""
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
