"""Checks of responses of the kit: `data` and `fails_with`."""

import pytest

from tests.kit.responses import data, fails_with, reasons
from tests.users.factories import AdminFactory

USERS = '/api/v1/users'
ME = f'{USERS}/me'


@pytest.fixture
def invalid(as_user):
    """Return a response that rejects two fields."""
    return as_user(AdminFactory()).post(USERS, json={'username': '', 'email': 'ada'})


class TestFailsWith:
    def test_accepts_exactly_the_fields_of_the_failure(self, invalid):
        fails_with(invalid, 'email', 'username')

    def test_accepts_a_status_and_a_reason(self, as_user):
        response = as_user().get(f'{USERS}/me/export')

        fails_with(response, 'url', status=404, reason='Not Found')

    def test_fails_on_a_success_and_prints_the_body(self, as_user):
        with pytest.raises(AssertionError) as raised:
            fails_with(as_user().get(ME), 'username')

        message = str(raised.value)
        assert message.startswith('GET /api/v1/users/me: the status is 200 instead of 422\n200 OK')
        assert '"username":"user' in message.replace(' ', '')

    def test_fails_on_another_status(self, as_user):
        with pytest.raises(AssertionError, match='the status is 403 instead of 404'):
            fails_with(as_user().get(USERS), 'permission', status=404)

    @pytest.mark.parametrize('fields', [('name',), ('username',), ('username', 'email', 'name')])
    def test_fails_on_other_fields_and_prints_the_body(self, invalid, fields):
        with pytest.raises(AssertionError) as raised:
            fails_with(invalid, *fields)

        assert f'are email, username instead of {", ".join(sorted(fields))}' in str(raised.value)
        assert 'Not a valid email address' in str(raised.value)

    def test_fails_on_another_reason(self, as_user):
        with pytest.raises(AssertionError, match="the reason is not 'Go away'"):
            fails_with(as_user().get(USERS), 'permission', status=403, reason='Go away')

    def test_fails_on_another_form(self, client, app):
        response = app.response_class(
            '{"status": "error"}', status=422, mimetype='application/json'
        )
        found = client.get(ME)
        found.status_code, found.data = 422, response.data

        with pytest.raises(AssertionError, match='the body has not the form'):
            fails_with(found, 'name')

    def test_raises_for_a_field_that_the_route_and_the_errors_do_not_have(self, invalid):
        with pytest.raises(ValueError, match=r"unknown field 'nmae': .* of POST .* are: .*email"):
            fails_with(invalid, 'nmae')

    def test_raises_without_a_field(self, invalid):
        with pytest.raises(ValueError, match='name a field'):
            fails_with(invalid)


class TestData:
    def test_fails_on_a_failure_and_prints_the_body(self, invalid):
        with pytest.raises(AssertionError, match='Not a valid email'):
            data(invalid)


class TestReasons:
    def test_fails_on_a_success_and_prints_the_body(self, as_user):
        with pytest.raises(AssertionError, match='username'):
            reasons(as_user().get(ME))
