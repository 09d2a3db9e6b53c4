"""HTTP: the guard accepts tokens of live sessions and rejects all other credentials."""

import pytest

from project.core.security.tokens import new_token
from project.users import service as users
from project.users.models import User
from tests.auth.conftest import SESSIONS
from tests.auth.factories import SessionFactory, account
from tests.kit.responses import fails_with
from tests.users.factories import AdminFactory

ME = '/api/v1/users/me'


class TestGuard:
    def test_executes_one_select(self, bearer, queries):
        token = new_token('pst')
        SessionFactory(token=token)

        with queries(max=1) as statements:
            # The invalid query is rejected before the handler runs, so all statements are those of
            # the guard.
            assert bearer(token).get(f'{SESSIONS}?limit=0').status_code == 422

        assert [statement.split()[0] for statement in statements] == ['SELECT']

    @pytest.mark.parametrize(
        'header',
        [
            '', 'Bearer', 'Bearer ', 'Bearer x', 'Basic YWRhOng=', 'Token {token}', '{token}',
            'Bearer {token} {token}', 'Bearer "{token}"', 'Bearer token={token}',
        ],
    )  # fmt: skip
    def test_rejects_all_headers_except_a_bearer_token(self, client, header):
        token = new_token('pst')
        SessionFactory(token=token)

        response = client.get(ME, headers={'Authorization': header.format(token=token)})

        assert response.status_code == 401
        assert response.headers['WWW-Authenticate'].startswith('Bearer realm="api"')

    @pytest.mark.parametrize('name', ['session', 'token', 'Authorization', 'pst'])
    def test_rejects_a_token_in_a_cookie(self, client, name):
        token = new_token('pst')
        SessionFactory(token=token)
        client.set_cookie(name, token)

        assert client.get(ME).status_code == 401

    def test_rejects_a_token_in_the_query(self, client):
        token = new_token('pst')
        SessionFactory(token=token)

        assert client.get(f'{ME}?access_token={token}').status_code == 401

    def test_sets_no_cookie(self, logged_in):
        client = logged_in(account())

        for response in (client.get(ME), client.get(SESSIONS), client.delete(SESSIONS)):
            assert response.status_code == 200
            assert 'Set-Cookie' not in response.headers

    @pytest.mark.parametrize('deactivate', [users.disable_user, users.delete_user])
    def test_rejects_a_disabled_or_deleted_user_immediately(self, logged_in, deactivate):
        user = account()
        client = logged_in(user)
        assert client.get(ME).status_code == 200

        deactivate(user.id)

        assert client.get(ME).status_code == 401

    def test_rejects_a_user_immediately_after_deletion_by_an_admin(self, bearer, logged_in):
        user, token = account(), new_token('pst')
        SessionFactory(user=AdminFactory(), token=token)
        client = logged_in(user)

        assert bearer(token).delete(f'/api/v1/users/{user.id}').status_code == 200

        assert client.get(ME).status_code == 401

    def test_requires_a_fresh_login_if_the_endpoint_declares_it(self, bearer):
        token = new_token('pst')
        session = SessionFactory(token=token, stale=True)

        response = bearer(token).delete(ME)

        fails_with(response, 'reauthentication', status=403)
        assert User.find(session.user_id)
