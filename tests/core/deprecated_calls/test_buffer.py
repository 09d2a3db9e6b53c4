"""Counts in the memory of a process: when they are written, and under which key."""

import time

import pytest
from sqlalchemy import text

from project.core.database.session import atomic, db
from project.core.deprecated_calls import buffer as module
from project.core.deprecated_calls.buffer import CallBuffer, agent_family
from project.core.deprecated_calls.rows import MAX_AGENTS_PER_CALLER, OTHER_AGENTS

from .counted_calls import call, rows


class TestAgentFamily:
    @pytest.mark.parametrize(
        ('header', 'family'),
        [
            ('python-requests/2.32.3', 'python-requests'),
            ('curl/8.5.0', 'curl'),
            ('Mozilla/5.0 (X11; Linux) Gecko/20100101 Firefox/140.0', 'Firefox'),
            ('Mozilla/5.0 AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0', 'Edge'),
            ('Mozilla/5.0 AppleWebKit/605 Version/19.0 Safari/605', 'Safari'),
            ('Mozilla/5.0 (unknown)', 'Mozilla'),
            ('', 'unknown'),
            ('\x1b[31m', 'unknown'),
            ('ä/1', 'unknown'),
            ('x' * 8000, 'x' * 32),
        ],
    )
    def test_returns_the_product(self, header, family):
        assert agent_family(header) == family


class TestCallBuffer:
    def test_writes_at_most_every_ten_seconds(self, app):
        buffer = CallBuffer(app)
        buffer.add(call())
        assert buffer.is_due()
        before = time.monotonic()
        buffer.flush()
        after = time.monotonic()
        buffer.add(call())
        buffer.add(call())
        assert before + 10 <= buffer._due_at <= after + 10
        assert not buffer.is_due()
        assert rows() == {(5, 'curl'): 1}

        buffer._due_at = time.monotonic()
        assert buffer.is_due()
        buffer.flush()

        assert rows() == {(5, 'curl'): 3}

    def test_is_due_with_many_callers(self, app, monkeypatch):
        monkeypatch.setattr(module, 'MAX_BUFFERED_CALLERS', 3)
        buffer = CallBuffer(app)
        buffer.flush()
        buffer._due_at = float('inf')

        for user_id in (1, 2):
            buffer.add(call(user_id))
        assert not buffer.is_due()
        buffer.add(call(3))

        assert buffer.is_due()

    def test_limits_the_agents_of_a_caller(self, app):
        buffer = CallBuffer(app)

        for number in range(100):
            buffer.add(call(agent=f'agent{number}'))

        assert len(buffer._counts) == MAX_AGENTS_PER_CALLER + 1
        assert buffer._counts[call(agent=OTHER_AGENTS)][0] == 100 - MAX_AGENTS_PER_CALLER

    def test_loses_the_counts_and_logs_if_the_database_fails(self, app, caplog):
        with atomic():
            db.session.execute(text('DROP TABLE core_deprecated_calls'))
        buffer = CallBuffer(app)
        buffer.add(call())

        buffer.flush()

        assert not buffer.is_due()
        assert 'counts of deprecated routes are lost' in caplog.text
