"""Test clients of the kit: `as_user`, `as_key` and `bearer`."""

from datetime import timedelta

import pytest
from flask import Flask

from project.core.clock import now
from project.core.security.permissions import all_permissions, default_permissions
from project.users.permissions import READ as READ_USERS
from tests.kit.responses import data, fails_with
from tests.users.factories import AdminFactory, UserFactory

ME = '/api/v1/users/me'
USERS = '/api/v1/users'


@pytest.fixture
def seen(app: Flask, monkeypatch):
    """Return a list of the principals that the guard identifies."""
    seen = []

    def recording(identify):
        def run(token):
            seen.append(identify(token))
            return seen[-1]

        return run

    monkeypatch.setitem(app.extensions, 'identify', recording(app.extensions['identify']))
    return seen


class TestAsUser:
    def test_creates_a_member(self, as_user):
        first, second = data(as_user().get(ME)), data(as_user().get(ME))

        assert first['username'] != second['username']
        fails_with(as_user().get(USERS), 'permission', status=403)

    def test_uses_the_given_user_and_the_permissions_of_its_roles(self, as_user):
        admin = AdminFactory()

        client = as_user(admin)

        assert data(client.get(ME))['username'] == admin.username
        assert client.get(USERS).status_code == 200

    @pytest.mark.parametrize('given', ['new user', 'admin'])
    def test_has_exactly_the_given_permissions(self, as_user, seen, given):
        user = AdminFactory() if given == 'admin' else None

        assert as_user(user, permissions={READ_USERS}).get(USERS).status_code == 200

        assert seen[-1].permissions == {READ_USERS}
        assert not default_permissions() <= seen[-1].permissions

    def test_logs_in_at_the_given_time(self, as_user):
        hours_ago = now() - timedelta(hours=1)

        fails_with(as_user(authenticated_at=hours_ago).delete(ME), 'reauthentication', status=403)

    def test_raises_for_an_unknown_permission(self, as_user):
        with pytest.raises(ValueError, match=r"unknown permission 'users:fly'; registered: .*read"):
            as_user(permissions={READ_USERS, 'users:fly'})

    def test_raises_for_a_text_instead_of_a_set(self, as_user):
        with pytest.raises(ValueError, match=r"permissions are a set: write \{'users:read'\}"):
            as_user(permissions=READ_USERS)

    def test_raises_for_scopes(self, as_user):
        with pytest.raises(TypeError, match='scopes'):
            as_user(scopes={READ_USERS})


class TestAsKey:
    def test_has_the_permissions_among_its_scopes(self, as_key, seen):
        assert as_key(AdminFactory(), scopes={READ_USERS}).get(USERS).status_code == 200

        assert (seen[-1].permissions, seen[-1].scopes) == ({READ_USERS}, {READ_USERS})
        assert seen[-1].key_id

    def test_does_not_exceed_the_permissions_of_the_user(self, as_key):
        response = as_key(UserFactory(), scopes=all_permissions()).get(USERS)

        fails_with(response, 'permission', status=403)

    def test_lacks_other_scopes(self, as_key):
        fails_with(as_key(scopes=()).get(ME), 'scope', status=403)

    def test_is_never_a_fresh_login(self, as_key, seen):
        as_key(scopes=()).get(ME)

        assert seen[-1].authenticated_at < now() - timedelta(days=365 * 1000)

    def test_raises_for_an_unknown_scope(self, as_key):
        with pytest.raises(ValueError, match="unknown scope 'users:fly'"):
            as_key(scopes={'users:fly'})


class TestBearer:
    def test_sends_the_token_to_the_guard(self, bearer, seen):
        fails_with(bearer('wrong').get(ME), 'authorization', status=401)

        assert seen == [None]
