"""Counts of requests to deprecated routes: buffers, rows, their limits and their deletion."""

import time
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import func, select, text

from project.core import deprecated_calls
from project.core.database.session import atomic, db
from project.core.deprecated_calls import (
    ANONYMOUS,
    KEPT_DAYS,
    OTHER_CALLERS,
    Call,
    CallBuffer,
    DeprecatedCall,
    add_requests,
    agent_family,
    delete_calls_except_of,
    delete_calls_of,
    delete_old_calls,
    list_callers,
)

TODAY = date(2026, 11, 29)
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


def call(user_id=5, agent='curl', **changes):
    """Return the key of a count of `GET /old` on one day."""
    return Call('GET /old', TODAY, user_id, '', agent)._replace(**changes)


def rows():
    """Return the number of requests by user and agent."""
    found = db.session.execute(select(DeprecatedCall))
    return {(row.user_id, row.agent): row.requests for row in found.scalars()}


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
        buffer.flush()
        buffer.add(call())
        buffer.add(call())
        assert not buffer.is_due()
        assert rows() == {(5, 'curl'): 1}
        assert 9 < buffer._due_at - time.monotonic() <= 10

        buffer._due_at = time.monotonic()
        assert buffer.is_due()
        buffer.flush()

        assert rows() == {(5, 'curl'): 3}

    def test_is_due_with_many_callers(self, app, monkeypatch):
        monkeypatch.setattr(deprecated_calls, 'MAX_BUFFERED_CALLERS', 3)
        buffer = CallBuffer(app)
        buffer.flush()
        buffer._due_at = float('inf')

        for user_id in (1, 2):
            buffer.add(call(user_id))
        assert not buffer.is_due()
        buffer.add(call(3))

        assert buffer.is_due()

    def test_loses_the_counts_and_logs_if_the_database_fails(self, app, caplog):
        with atomic():
            db.session.execute(text('DROP TABLE core_deprecated_calls'))
        buffer = CallBuffer(app)
        buffer.add(call())

        buffer.flush()

        assert not buffer.is_due()
        assert 'counts of deprecated routes are lost' in caplog.text


class TestAddRequests:
    def test_adds_to_the_row_of_another_process(self):
        add_requests(call(), 2, NOON)
        add_requests(call(), 3, NOON - timedelta(hours=1))

        [row] = list_callers()
        assert (row.requests, row.last_seen, row.caller) == (5, NOON, 'user')

    def test_counts_further_agents_of_a_caller_together(self):
        for number in range(12):
            add_requests(call(ANONYMOUS, f'agent-{number}'), 1, NOON)
        add_requests(call(ANONYMOUS, 'agent-0'), 1, NOON)

        found = rows()
        assert len(found) == deprecated_calls.MAX_AGENTS_PER_CALLER + 1
        assert found[ANONYMOUS, 'others'] == 4
        assert found[ANONYMOUS, 'agent-0'] == 2

    def test_counts_further_callers_together(self, monkeypatch):
        monkeypatch.setattr(deprecated_calls, 'MAX_CALLERS', 3)

        for user_id in (1, 2, 3, 4, 5, 1):
            add_requests(call(user_id), 1, NOON)

        assert rows() == {
            (1, 'curl'): 2, (2, 'curl'): 1, (3, 'curl'): 1, (OTHER_CALLERS, 'others'): 2,
        }  # fmt: skip


class TestListCallers:
    def test_adds_the_days_of_a_caller(self):
        add_requests(call(day=TODAY - timedelta(days=2)), 2, NOON - timedelta(days=2))
        add_requests(call(), 1, NOON)
        add_requests(call(6), 9, NOON)

        assert [(row.user_id, row.requests) for row in list_callers()] == [(6, 9), (5, 3)]
        assert [(row.user_id, row.requests) for row in list_callers(TODAY)] == [(6, 9), (5, 1)]


class TestDeleteCallsOf:
    def test_deletes_the_rows_of_one_user(self):
        for user_id in (ANONYMOUS, 5, 6):
            add_requests(call(user_id), 1, NOON)

        with atomic():
            delete_calls_of(5)

        assert rows() == {(ANONYMOUS, 'curl'): 1, (6, 'curl'): 1}


class TestDeleteCallsExceptOf:
    def test_keeps_existing_users_and_anonymous_callers(self):
        for user_id in (ANONYMOUS, OTHER_CALLERS, 5, 6):
            add_requests(call(user_id), 1, NOON)

        with atomic():
            delete_calls_except_of(select(func.abs(6)))

        assert {user_id for user_id, _ in rows()} == {ANONYMOUS, OTHER_CALLERS, 6}


class TestDeleteOldCalls:
    def test_deletes_days_beyond_the_kept_ones(self):
        with time_machine.travel(NOON, tick=False):
            for days in (0, KEPT_DAYS - 1, KEPT_DAYS, 300):
                add_requests(call(day=TODAY - timedelta(days=days)), 1, NOON)

            delete_old_calls()

        days = db.session.scalars(select(DeprecatedCall.day).order_by(DeprecatedCall.day)).all()
        assert [(TODAY - day).days for day in days] == [KEPT_DAYS - 1, 0]
