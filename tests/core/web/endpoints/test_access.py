"""Who may call, as routes declare it."""

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
    def test_is_said_to_keys(self):
        assert (ScopeMissing().http_code, list(ScopeMissing().data)) == (403, ['scope'])


class TestNotFresh:
    def test_asks_to_log_in_again(self):
        assert (ReauthenticationRequired().http_code, list(ReauthenticationRequired().data)) == (
            403,
            ['reauthentication'],
        )


class TestNotYours:
    def test_looks_like_what_does_not_exist(self):
        assert (NotOwner().http_code, list(NotOwner().data)) == (404, ['user'])


class TestPublic:
    def test_asks_for_nothing(self):
        assert (public.kind, public.permission, public.scope, public.fresh) == (
            'public', None, None, False,
        )  # fmt: skip


class TestMember:
    def test_asks_for_a_login(self):
        assert (authenticated().kind, authenticated().permission, authenticated().scope) == (
            'member',
            None,
            None,
        )

    def test_may_ask_for_a_scope_and_a_fresh_login(self):
        assert authenticated('files:read').scope == 'files:read'
        assert authenticated(fresh=True).fresh


class TestCan:
    def test_asks_for_a_permission_which_is_the_scope_of_a_key(self):
        allow = requires('users:read', fresh=True)

        assert (allow.permission, allow.scope, allow.own, allow.fresh) == (
            'users:read', 'users:read', None, True,
        )  # fmt: skip


class TestOwnOr:
    def test_asks_others_for_a_permission(self):
        allow = owner_or('users:read', scope='profile:read')

        assert (allow.permission, allow.scope, allow.own) == (
            'users:read', 'profile:read', 'user_id',
        )  # fmt: skip


class TestCurrent:
    def test_is_who_the_guard_found(self, app):
        ada = principal()

        with app.app_context():
            set_current(ada)
            assert current_principal() is ada

    def test_is_nobody_by_mistake(self, app):
        with app.app_context(), pytest.raises(AttributeError):
            current_principal()


class TestCurrentOrNone:
    def test_is_none_where_nobody_had_to_say(self, app):
        with app.app_context():
            assert current_or_none() is None
            set_current(principal())
            assert current_or_none() == current_principal()
