"""HTTP: show, update and delete the caller's own user, under `/users/me`."""

from datetime import timedelta

import pytest

from project.core.clock import now
from project.users.models import User, permissions_of
from tests.kit.responses import data, fails_with
from tests.users.factories import UserFactory, user_etag
from tests.users.routes.protected_fields import PROTECTED

URL = '/api/v1/users'


class TestUserMe:
    def test_returns_the_current_user(self, as_user, queries):
        user = UserFactory(name='Ada')
        client = as_user(user)

        with queries(max=1):
            response = client.get(f'{URL}/me')

        assert data(response)['name'] == 'Ada'
        assert response.headers['ETag'] == user_etag(user)

    def test_returns_304_for_a_current_etag(self, as_user):
        user = UserFactory()

        response = as_user(user).get(f'{URL}/me', headers={'If-None-Match': user_etag(user)})

        assert (response.status_code, response.data) == (304, b'')

    def test_requires_a_login(self, client):
        response = client.get(f'{URL}/me')

        fails_with(response, 'authorization', status=401, reason='Missing or invalid bearer token')
        assert response.headers['WWW-Authenticate'] == 'Bearer realm="api"'


class TestUserMeUpdate:
    def test_changes_only_the_sent_fields(self, as_user):
        user = UserFactory(name='Ada', bio='Analyst')

        response = as_user(user).patch(f'{URL}/me', json={'bio': 'Countess'})

        shown = data(response)
        assert (shown['name'], shown['bio']) == ('Ada', 'Countess')
        assert response.headers['ETag'] == user_etag(user, 2)

    @pytest.mark.parametrize('field', [*PROTECTED, 'email_key', 'last_login', 'user_id'])
    def test_rejects_fields_that_only_the_service_sets(self, as_user, field):
        client = as_user()
        before = data(client.get(f'{URL}/me'))

        response = client.patch(f'{URL}/me', json={'name': 'New', field: before.get(field, 1)})

        fails_with(response, field)
        assert data(client.get(f'{URL}/me')) == before

    @pytest.mark.parametrize('changes', [{'username': 'new'}, {'email': 'new@example.com'}])
    def test_rejects_fields_that_users_may_not_change(self, as_user, changes):
        response = as_user().patch(f'{URL}/me', json=changes)

        fails_with(response, 'permission', status=403)

    def test_rejects_another_version(self, as_user):
        response = as_user().patch(f'{URL}/me', json={'name': 'New'}, headers={'If-Match': '"2"'})

        assert response.status_code == 412


class TestUserMeDelete:
    def test_deletes_the_user(self, as_user):
        user = UserFactory()

        assert as_user(user).delete(f'{URL}/me').status_code == 200
        assert User.find(user.id) is None

    def test_requires_a_fresh_login(self, as_user):
        user = UserFactory()
        client = as_user(user, authenticated_at=now() - timedelta(minutes=10, seconds=1))

        response = client.delete(f'{URL}/me')

        fails_with(response, 'reauthentication', status=403)
        assert User.find(user.id)

    def test_rejects_the_last_admin(self, admin):
        response = admin.delete(f'{URL}/me')

        fails_with(response, 'user', status=409)

    def test_rejects_api_keys(self, as_key):
        user = UserFactory()

        response = as_key(user, scopes=permissions_of(['member'])).delete(f'{URL}/me')

        fails_with(response, 'scope', status=403)
