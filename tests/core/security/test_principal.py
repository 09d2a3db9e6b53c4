"""Who is asking."""

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from tests.core.apps import principal

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class TestPrincipal:
    def test_cannot_be_changed_on_the_way(self):
        with pytest.raises(FrozenInstanceError):
            principal().user_id = 2


class TestMay:
    def test_wants_the_permission(self):
        assert principal(permissions=frozenset({'boats:sail'})).has_permission('boats:sail')
        assert not principal().has_permission('boats:sail')

    def test_wants_the_scope_of_a_key_as_well(self):
        held = frozenset({'boats:sail'})

        assert principal(permissions=held, scopes=frozenset({'boats:sail'})).has_permission(
            'boats:sail'
        )
        assert not principal(permissions=held, scopes=frozenset()).has_permission('boats:sail')
        assert not principal(scopes=frozenset({'boats:sail'})).has_permission('boats:sail')


class TestInScope:
    def test_does_not_limit_a_session(self):
        assert principal().has_scope('boats:sail')
        assert principal().has_scope(None)

    def test_keeps_a_key_out_of_what_names_no_scope(self):
        assert not principal(scopes=frozenset({'boats:sail'})).has_scope(None)


class TestIsFresh:
    @time_machine.travel(NOON, tick=False)
    def test_holds_for_as_long_as_configured(self, app):
        lifetime = app.config['FRESH_FOR']
        early = lifetime - timedelta(microseconds=1)

        assert lifetime == timedelta(minutes=10)
        assert principal(authenticated_at=NOON - early).is_fresh()
        assert not principal(authenticated_at=NOON - lifetime).is_fresh()

    @time_machine.travel(NOON, tick=False)
    def test_does_not_hold_for_a_login_by_a_clock_that_was_ahead(self, app):
        assert not principal(authenticated_at=NOON + timedelta(hours=1)).is_fresh()
