"""URL converters, such as the one for ids."""

import pytest
from flask import url_for

from tests.kit.responses import data, fails_with


@pytest.fixture
def client(serve):
    """Return a test client with one route whose path contains an id."""
    return serve(lambda thing_id: None, rule='/things/<int:thing_id>')


class TestIdConverter:
    @pytest.mark.parametrize('number', ['0', '1', '2147483647'])
    def test_accepts_ids_up_to_2147483647(self, client, number):
        assert data(client.get(f'/things/{number}')) is None

    @pytest.mark.parametrize(
        'number', ['2147483648', '9' * 10, '9' * 25, '0' * 11, '-1', '1.0', 'x', '²', '1%00']
    )
    def test_returns_404_for_any_other_number(self, client, number):
        response = client.get(f'/things/{number}')

        fails_with(response, 'url', status=404, reason='Not Found')

    def test_does_not_treat_a_larger_number_as_a_username(self, app):
        response = app.test_client().get('/api/v1/users/2147483648')

        fails_with(response, 'url', status=404)

    def test_builds_urls_with_numbers(self, app):
        with app.test_request_context():
            assert url_for('api_v1.users.user', user_id=5) == '/api/v1/users/5'


class TestInitApp:
    @pytest.mark.parametrize('url', ['//things/1', '/things//1', '/things/1/'])
    def test_returns_404_for_extra_slashes(self, client, url):
        response = client.get(url)

        fails_with(response, 'url', status=404, reason='Not Found')
