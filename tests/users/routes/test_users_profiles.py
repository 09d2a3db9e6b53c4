"""HTTP: show public profiles and check whether a username exists."""

from datetime import UTC, datetime

import pytest

from project.users import service
from tests.kit.responses import data, fails_with
from tests.users.factories import UserFactory

URL = '/api/v1/users'


class TestUserMeProfile:
    def test_returns_the_own_profile(self, as_user):
        response = as_user(UserFactory(username='ada')).get(f'{URL}/me/profile')

        assert data(response)['username'] == 'ada'

    def test_requires_a_login(self, client):
        assert client.get(f'{URL}/me/profile').status_code == 401


class TestUsernameShow:
    @pytest.mark.parametrize('name', ['ada', 'ADA'])
    def test_returns_200_for_an_existing_username(self, client, name):
        UserFactory(username='ada')

        response = client.get(f'{URL}/{name}')

        assert response.status_code == 200
        assert data(response) is None

    @pytest.mark.parametrize('name', ['nobody', 'a', 'ada@example.com', '%F0%9F%98%80', 'x' * 200])
    def test_returns_404_for_an_unknown_username(self, client, name):
        UserFactory(username='ada')

        response = client.get(f'{URL}/{name}')

        fails_with(response, 'username', status=404)


class TestUserProfile:
    def test_returns_the_public_fields_without_a_login(self, client):
        UserFactory(username='ada', name='Ada', bio='Analyst')

        response = client.get(f'{URL}/ADA/profile')

        assert data(response) == {
            'username': 'ada', 'name': 'Ada', 'bio': 'Analyst', 'profile_image': None,
            'since_logged_in': None,
        }  # fmt: skip

    def test_counts_the_days_since_the_last_login_across_months(self, client, travel):
        user = UserFactory()
        with travel(to=datetime(2026, 1, 31, 12, tzinfo=UTC)):
            service.record_login(user.id)

        with travel(to=datetime(2026, 2, 1, 12, 1, tzinfo=UTC)):
            profile = data(client.get(f'{URL}/{user.username}/profile'))

        assert profile['since_logged_in'] == 1

    def test_returns_404_for_an_unknown_username(self, client):
        response = client.get(f'{URL}/nobody/profile')

        fails_with(response, 'username', status=404)

    def test_returns_404_for_a_disabled_user(self, client):
        UserFactory(username='ada', disabled=True)

        assert client.get(f'{URL}/ada/profile').status_code == 404
