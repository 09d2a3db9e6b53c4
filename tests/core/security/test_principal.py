"""The principal of a request."""

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta

import pytest

from tests.core.apps import principal

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class TestPrincipal:
    def test_is_immutable(self):
        with pytest.raises(FrozenInstanceError):
            principal().user_id = 2


class TestHasPermission:
    def test_requires_the_permission(self):
        assert principal(permissions=frozenset({'boats:sail'})).has_permission('boats:sail')
        assert not principal().has_permission('boats:sail')

    def test_requires_the_scope_of_an_api_key(self):
        held = frozenset({'boats:sail'})

        assert principal(permissions=held, scopes=frozenset({'boats:sail'})).has_permission(
            'boats:sail'
        )
        assert not principal(permissions=held, scopes=frozenset()).has_permission('boats:sail')
        assert not principal(scopes=frozenset({'boats:sail'})).has_permission('boats:sail')


class TestHasScope:
    def test_returns_true_for_a_session(self):
        assert principal().has_scope('boats:sail')
        assert principal().has_scope(None)

    def test_returns_false_for_an_api_key_without_a_scope(self):
        assert not principal(scopes=frozenset({'boats:sail'})).has_scope(None)


class TestIsFresh:
    def test_is_true_for_the_configured_time(self, app, travel):
        travel(to=NOON)
        lifetime = app.config['FRESH_FOR']
        early = lifetime - timedelta(microseconds=1)

        assert lifetime == timedelta(minutes=10)
        assert principal(authenticated_at=NOON - early).is_fresh()
        assert not principal(authenticated_at=NOON - lifetime).is_fresh()

    def test_is_false_for_a_login_in_the_future(self, app, travel):
        travel(to=NOON)
        assert not principal(authenticated_at=NOON + timedelta(hours=1)).is_fresh()
