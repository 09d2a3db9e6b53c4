"""Statements that are built once."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import bindparam, insert, select

from project.core.database.cached_statements import cached_statement, execute_write
from project.core.database.session import atomic, db
from project.core.throttling import ThrottleCounter

COUNTER = {'kind': 'test', 'target_hash': 'a', 'attempts': 1, 'resets_at': datetime.now(UTC)}


class TestCachedStatement:
    def test_builds_a_statement_once_for_equal_arguments(self):
        built = []

        @cached_statement
        def statement(attempts):
            built.append(attempts)
            return select(ThrottleCounter.kind).where(ThrottleCounter.attempts == attempts)

        assert statement(1) is statement(1)
        assert statement(2) is not statement(1)
        assert built == [1, 2]

    def test_builds_a_statement_for_each_dialect(self, monkeypatch):
        statement = cached_statement(lambda: select(ThrottleCounter.kind))
        known = statement()

        monkeypatch.setattr(db.session.get_bind().dialect, 'name', 'other')

        assert statement() is not known


class TestExecuteWrite:
    def test_executes_a_statement_in_the_transaction(self):
        with atomic():
            execute_write(insert(ThrottleCounter), COUNTER)

        named = select(ThrottleCounter.attempts).where(ThrottleCounter.kind == bindparam('kind'))
        assert db.session.execute(named, {'kind': 'test'}).scalar_one() == 1

    def test_saves_changed_objects_first(self):
        with atomic():
            db.session.add(ThrottleCounter(**COUNTER))
            changed = ThrottleCounter.__table__.update().values(attempts=bindparam('count'))
            assert execute_write(changed, {'count': 5}).rowcount == 1

    def test_raises_outside_a_transaction(self):
        with pytest.raises(RuntimeError, match='write outside atomic'):
            execute_write(insert(ThrottleCounter), COUNTER)
