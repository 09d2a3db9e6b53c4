"""HTTP: create, list, use and delete API keys."""

import pytest

from tests.auth.factories import account
from tests.kit.responses import data, fails_with

ME = '/api/v1/users/me'


class TestKeys:
    def test_are_accepted_by_routes_of_their_scopes_only(self, logged_in, bearer):
        ada = logged_in(account())

        made = ada.post('/api/v1/auth/keys', json={'name': 'ci', 'scopes': ['profile:read']})
        key = bearer(data(made)['key'])

        assert made.status_code == 201
        assert key.get(ME).status_code == 200
        for response in (key.patch(ME, json={}), key.get('/api/v1/auth/keys'), key.delete(ME)):
            fails_with(response, 'scope', status=403)
        listed = data(ada.get('/api/v1/auth/keys'))['items']
        assert [set(row) & {'key'} for row in listed] == [set()]

    def test_are_rejected_after_their_deletion(self, logged_in, bearer):
        ada = logged_in(account())
        made = data(ada.post('/api/v1/auth/keys', json={'name': 'ci', 'scopes': ['profile:read']}))

        assert ada.delete(f'/api/v1/auth/keys/{made["id"]}').status_code == 200
        assert bearer(made['key']).get(ME).status_code == 401
        assert ada.delete(f'/api/v1/auth/keys/{made["id"]}').status_code == 404

    @pytest.mark.parametrize(
        ('change', 'code', 'field'),
        [
            ({'scopes': []}, 422, 'scopes'),
            ({'scopes': ['x:y']}, 422, 'scopes'),
            ({'scopes': ['users:read']}, 403, 'permission'),
            ({'expires_at': '2020-01-01T00:00:00Z'}, 422, 'expires_at'),
            ({'name': ''}, 422, 'name'),
        ],
    )
    def test_are_not_created_with_invalid_values(self, logged_in, change, code, field):
        body = {'name': 'ci', 'scopes': ['profile:read'], **change}

        response = logged_in(account()).post('/api/v1/auth/keys', json=body)

        fails_with(response, field, status=code)
