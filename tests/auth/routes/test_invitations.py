"""HTTP: invite users and accept invitations."""

from tests.auth.factories import PASSWORD
from tests.kit.responses import data, fails_with
from tests.users.factories import AdminFactory


class TestInvitations:
    def test_create_a_user(self, client, as_user, mailbox):
        admin = as_user(AdminFactory())

        asked = admin.post('/api/v1/auth/invitations', json={'email': 'eve@example.com'})
        code = mailbox.latest('invitation').code
        body = {'email': 'eve@example.com', 'code': code, 'password': PASSWORD}
        without = client.put('/api/v1/auth/invitations', json=body)
        done = client.put('/api/v1/auth/invitations', json={**body, 'username': 'eve'})

        assert asked.status_code == 202
        fails_with(without, 'username')
        assert (done.status_code, data(done)['roles']) == (201, ['member'])
        assert done.location == f'/api/v1/users/{data(done)["id"]}'

    def test_require_a_permission(self, as_user):
        response = as_user().post('/api/v1/auth/invitations', json={'email': 'eve@example.com'})

        fails_with(response, 'permission', status=403)
