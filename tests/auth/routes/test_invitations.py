"""HTTP: invite users and accept invitations."""

import re

from tests.auth.factories import PASSWORD
from tests.auth.pins import plain
from tests.client import data, reasons
from tests.users.factories import AdminFactory, UserFactory


class TestInvitations:
    def test_create_a_user(self, client, as_user, mailbox):
        admin = as_user(AdminFactory())

        asked = admin.post('/api/v1/auth/invitations', json={'email': 'eve@example.com'})
        code = re.search('([A-Z2-7]{4}-?){4}', plain(mailbox()[-1]))[0]
        body = {'email': 'eve@example.com', 'code': code, 'password': PASSWORD}
        without = client.put('/api/v1/auth/invitations', json=body)
        done = client.put('/api/v1/auth/invitations', json={**body, 'username': 'eve'})

        assert asked.status_code == 202
        assert (without.status_code, set(reasons(without))) == (422, {'username'})
        assert (done.status_code, data(done)['roles']) == (201, ['member'])
        assert done.location == f'/api/v1/users/{data(done)["id"]}'

    def test_require_a_permission(self, as_user):
        response = as_user(UserFactory()).post(
            '/api/v1/auth/invitations', json={'email': 'eve@example.com'}
        )

        assert (response.status_code, set(reasons(response))) == (403, {'permission'})
