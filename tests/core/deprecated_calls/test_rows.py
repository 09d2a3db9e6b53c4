"""The table of requests to deprecated routes: its rows, their limits and their deletion."""

from datetime import timedelta

from sqlalchemy import func, select

from project.core.database.session import atomic, db
from project.core.deprecated_calls import rows as module
from project.core.deprecated_calls.rows import (
    ANONYMOUS,
    KEPT_DAYS,
    OTHER_CALLERS,
    DeprecatedCall,
    add_requests,
    delete_calls_except_of,
    delete_calls_of,
    delete_old_calls,
    list_callers,
)

from .counted_calls import NOON, TODAY, call, rows


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
        assert len(found) == module.MAX_AGENTS_PER_CALLER + 1
        assert found[ANONYMOUS, 'others'] == 4
        assert found[ANONYMOUS, 'agent-0'] == 2

    def test_counts_further_callers_together(self, monkeypatch):
        monkeypatch.setattr(module, 'MAX_CALLERS', 3)

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
    def test_deletes_days_beyond_the_kept_ones(self, travel):
        travel(to=NOON)
        for days in (0, KEPT_DAYS - 1, KEPT_DAYS, 300):
            add_requests(call(day=TODAY - timedelta(days=days)), 1, NOON)

        delete_old_calls()

        days = db.session.scalars(select(DeprecatedCall.day).order_by(DeprecatedCall.day)).all()
        assert [(TODAY - day).days for day in days] == [KEPT_DAYS - 1, 0]
