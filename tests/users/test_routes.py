"""Everything under /api/v1/users."""

from tests.client import data, reasons

from .factories import AdminFactory, UserFactory

URL = '/api/v1/users'


class TestUserMe:
    def test_shows_the_one_who_asks(self, as_user, queries):
        user = UserFactory(name='Ada')
        client = as_user(user)

        with queries(max=1):
            response = client.get(f'{URL}/me')

        assert data(response)['name'] == 'Ada'
        assert response.headers['ETag'] == '"1"'

    def test_refuses_a_stranger(self, client):
        response = client.get(f'{URL}/me')

        assert response.status_code == 401
        assert response.headers['WWW-Authenticate'] == 'Bearer'
        assert reasons(response) == {'authorization': ['Missing or invalid bearer token']}


class TestUserUpdate:
    def test_changes_only_what_was_sent(self, as_user):
        user = UserFactory(name='Ada', bio='Analyst')

        response = as_user(user).patch(f'{URL}/{user.id}', json={'name': 'Countess'})

        assert data(response)['name'] == 'Countess'
        assert data(response)['bio'] == 'Analyst'
        assert data(as_user(user).get(f'{URL}/me'))['name'] == 'Countess'

    def test_finds_nobody_but_oneself(self, as_user):
        response = as_user(UserFactory()).patch(f'{URL}/{UserFactory().id}', json={})

        assert response.status_code == 404


class TestUserDelete:
    def test_the_user_is_gone(self, as_user):
        admin, user = AdminFactory(), UserFactory()

        assert as_user(admin).delete(f'{URL}/{user.id}').status_code == 200
        assert as_user(admin).get(f'{URL}/{user.id}').status_code == 404
