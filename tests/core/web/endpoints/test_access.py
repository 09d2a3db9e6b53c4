"""Access rules: the callers that the declaration of a route allows."""

import pytest

from project.core.errors import ReauthenticationRequired
from project.core.web.endpoints.access import (
    NotOwner,
    ScopeMissing,
    authenticated,
    current_or_none,
    current_principal,
    owner_or,
    public,
    requires,
    set_current,
)
from tests.core.apps import principal


class TestScopeMissing:
    def test_returns_403_with_the_key_scope(self):
        assert (ScopeMissing().http_code, list(ScopeMissing().data)) == (403, ['scope'])


class TestReauthenticationRequired:
    def test_returns_403_with_the_key_reauthentication(self):
        assert (ReauthenticationRequired().http_code, list(ReauthenticationRequired().data)) == (
            403,
            ['reauthentication'],
        )


class TestNotOwner:
    def test_returns_404_like_a_missing_user(self):
        assert (NotOwner().http_code, list(NotOwner().data)) == (404, ['user'])


class TestPublic:
    def test_requires_nothing(self):
        assert (public.kind, public.permission, public.scope, public.fresh) == (
            'public', None, None, False,
        )  # fmt: skip


class TestAuthenticated:
    def test_requires_a_login(self):
        assert (authenticated().kind, authenticated().permission, authenticated().scope) == (
            'member',
            None,
            None,
        )

    def test_can_require_a_scope_and_a_fresh_login(self):
        assert authenticated('boats:read').scope == 'boats:read'
        assert authenticated(fresh=True).fresh


class TestRequires:
    def test_requires_a_permission_and_the_same_scope_of_an_api_key(self):
        allow = requires('users:read', fresh=True)

        assert (allow.permission, allow.scope, allow.own, allow.fresh) == (
            'users:read', 'users:read', None, True,
        )  # fmt: skip


class TestOwnerOr:
    def test_requires_a_permission_of_other_users(self):
        allow = owner_or('users:read', scope='profile:read')

        assert (allow.permission, allow.scope, allow.own) == (
            'users:read', 'profile:read', 'user_id',
        )  # fmt: skip


class TestCurrentPrincipal:
    def test_returns_the_principal_that_the_guard_has_set(self, app):
        ada = principal()

        with app.app_context():
            set_current(ada)
            assert current_principal() is ada

    def test_raises_without_a_principal(self, app):
        with app.app_context(), pytest.raises(AttributeError):
            current_principal()


class TestCurrentOrNone:
    def test_returns_none_without_a_principal(self, app):
        with app.app_context():
            assert current_or_none() is None
            set_current(principal())
            assert current_or_none() == current_principal()
