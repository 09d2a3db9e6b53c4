"""HTTP: define, list and delete roles, and set the roles of a user."""

import pytest

from project.core.security.permissions import all_permissions
from tests.kit.responses import data, fails_with
from tests.users.factories import AdminFactory, UserFactory

URL = '/api/v1/users'


class TestRoutes:
    def test_define_assign_list_and_delete(self, as_user):
        admin, user = as_user(AdminFactory()), UserFactory()
        reader = as_user(user)
        assert reader.get(URL).status_code == 403

        made = admin.put(f'{URL}/roles/auditor', json={'permissions': ['users:read']})
        given = admin.put(f'{URL}/{user.id}/roles', json={'roles': ['auditor']})
        listed = data(admin.get(f'{URL}/roles'))['items']

        assert (made.status_code, data(made)['built_in']) == (201, False)
        assert data(admin.get(made.location)) == data(made)
        fails_with(admin.get(f'{URL}/roles/nobody'), 'role', status=404)
        assert data(given)['roles'] == ['auditor']
        assert as_user(user).get(URL).status_code == 200
        assert {role['name']: role['built_in'] for role in listed} == {
            'admin': True, 'auditor': False, 'member': True,
        }  # fmt: skip
        assert set(listed[0]['permissions']) == all_permissions()
        stale = admin.delete(f'{URL}/roles/auditor', headers={'If-Match': '"9"'})
        assert stale.status_code == 412
        current = {'If-Match': made.headers['ETag']}
        assert admin.delete(f'{URL}/roles/auditor', headers=current).status_code == 200
        assert as_user(user).get(URL).status_code == 403

    @pytest.mark.parametrize(
        ('path', 'body', 'code', 'field'),
        [
            ('roles/admin', {'permissions': []}, 409, 'role'),
            ('roles/X', {'permissions': []}, 422, 'role'),
            ('roles/auditor', {'permissions': ['x']}, 422, 'permissions'),
            ('roles/auditor', {}, 422, 'permissions'),
            ('2147483647/roles', {'roles': []}, 404, 'user'),
        ],
    )
    def test_reject_invalid_requests(self, as_user, path, body, code, field):
        response = as_user(AdminFactory()).put(f'{URL}/{path}', json=body)

        fails_with(response, field, status=code)
