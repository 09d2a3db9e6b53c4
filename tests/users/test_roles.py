"""Roles: what they allow, who may say so, and who has them."""

import json

import pytest

from project.auth.service import create_key, identify
from project.core.database.keyset_pagination import PageRequest
from project.core.database.session import db
from project.core.security.permissions import all_permissions, default_permissions
from project.users import service
from project.users.errors import (
    LastAdmin,
    PermissionUnknown,
    PrivilegeEscalation,
    RoleBuiltIn,
    RoleChanged,
    RoleInvalid,
    RoleNotFound,
    RoleUnknown,
    UserChanged,
    UserNotFound,
)
from project.users.models import RoleDefinition, permissions_of
from project.users.service import (
    define_role,
    delete_role,
    grant_role,
    list_roles,
    revoke_role,
    set_roles,
)
from project.users.signals import user_roles_changed
from tests.client import data, reasons
from tests.concurrency import run_concurrently, separate_app

from .factories import AdminFactory, UserFactory, principal_of

URL = '/api/v1/users'


@pytest.fixture
def clerk():
    """Somebody who may see users and define roles, and nothing else."""
    return principal_of(
        UserFactory(),
        permissions=default_permissions() | {'users:read', 'roles:write', 'roles:read'},
    )


class TestPermissionsOf:
    def test_asks_nothing_where_there_are_built_in_ones_only(self, assert_max_queries):
        with assert_max_queries(0):
            assert permissions_of(['member']) == default_permissions()
            assert permissions_of(['admin', 'member']) == all_permissions()

    def test_adds_what_own_ones_allow(self, assert_max_queries):
        define_role('auditor', ['users:read'])
        define_role('clerk', ['users:write'])

        with assert_max_queries(1):
            held = permissions_of(['member', 'auditor', 'clerk'])
        assert held == default_permissions() | {'users:read', 'users:write'}

    def test_forgets_what_no_feature_declares_any_more(self):
        define_role('auditor', ['users:read'])
        db.session.connection().execute(
            RoleDefinition.__table__.update().values(permissions=['users:read', 'gone:read'])
        )

        assert permissions_of(['auditor']) == default_permissions() | {'users:read'}


class TestDefineRole:
    def test_makes_one_and_changes_it(self):
        made = define_role('auditor', ['users:read', 'users:read'])
        changed = define_role('auditor', ['users:write'])

        assert (made.permissions, made.version) == (['users:read'], 1)
        assert (changed.permissions, changed.version) == (['users:write'], 2)

    def test_holds_from_the_next_request_on(self):
        """ASVS 8.3.2."""
        define_role('auditor', ['users:read'])
        user = UserFactory(roles=['member', 'auditor'])
        key = create_key(principal_of(user), name='ci', scopes=['users:read'])['key']
        assert identify(key).has_permission('users:read')

        define_role('auditor', [])

        assert not identify(key).has_permission('users:read')

    @pytest.mark.parametrize(
        ('name', 'permissions', 'refusal'),
        [
            ('admin', [], RoleBuiltIn), ('member', ['users:read'], RoleBuiltIn),
            ('x', [], RoleInvalid), ('Über', [], RoleInvalid), ('a' * 33, [], RoleInvalid),
            ('auditor\n', [], RoleInvalid), ('auditor', ['users:fly'], PermissionUnknown),
        ],
    )  # fmt: skip
    def test_rejects(self, name, permissions, refusal):
        with pytest.raises(refusal):
            define_role(name, permissions)

    def test_rejects_to_give_what_the_asker_does_not_hold(self, clerk):
        with pytest.raises(PrivilegeEscalation):
            define_role('boss', ['users:delete'], by=clerk)
        assert define_role('reader', ['users:read'], by=clerk)

    def test_rejects_to_take_what_the_asker_does_not_hold(self, clerk):
        define_role('boss', ['users:delete'])

        with pytest.raises(PrivilegeEscalation):
            define_role('boss', [], by=clerk)
        with pytest.raises(PrivilegeEscalation):
            delete_role('boss', by=clerk)

    def test_rejects_another_version(self):
        define_role('auditor', ['users:read'])

        for expected in (2, 0):
            with pytest.raises(RoleChanged):
                define_role('auditor', [], expected=frozenset([expected]))
        with pytest.raises(RoleChanged):
            define_role('clerk', [], expected=frozenset([1]))
        assert define_role('auditor', [], expected=frozenset([1]))


class TestDeleteRole:
    def test_takes_it_from_who_had_it(self):
        define_role('auditor', ['users:read'])
        user = UserFactory(roles=['member', 'auditor'])

        delete_role('auditor')

        assert service.get_user(user.id).roles == ['member']
        define_role('auditor', ['users:read'])
        assert service.get_user(user.id).roles == ['member']

    def test_rejects(self):
        with pytest.raises(RoleBuiltIn):
            delete_role('admin')
        with pytest.raises(RoleNotFound):
            delete_role('nobody')
        define_role('auditor', [])
        with pytest.raises(RoleChanged):
            delete_role('auditor', expected=frozenset([2]))


class TestListRoles:
    def test_shows_the_built_in_ones_too(self):
        define_role('auditor', ['users:read'])

        assert [r.name for r in list_roles(PageRequest()).items] == ['admin', 'auditor', 'member']


class TestSetRoles:
    def test_replaces_them_and_says_so(self):
        heard = []
        define_role('auditor', ['users:read'])
        user = UserFactory()
        before = service.get_user(user.id).version

        def receive(_sender, **what):
            heard.append(what)

        with user_roles_changed.connected_to(receive):
            changed = set_roles(user.id, ['auditor', 'auditor'])

        assert (changed.roles, changed.version) == (['auditor'], before + 1)
        assert heard == [{'user_id': user.id, 'was': ['member'], 'roles': ['auditor'], 'by': None}]

    def test_leaves_nobody_without_what_everybody_may(self):
        user = UserFactory()

        assert set_roles(user.id, []).roles == []
        assert permissions_of([]) == default_permissions()

    def test_rejects(self):
        AdminFactory()
        user = UserFactory()

        with pytest.raises(RoleUnknown):
            set_roles(user.id, ['emperor'])
        with pytest.raises(UserNotFound):
            set_roles(0, ['member'])
        with pytest.raises(UserChanged):
            set_roles(user.id, [], expected=frozenset([99]))
        assert service.get_user(user.id).roles == ['member']

    def test_rejects_what_the_asker_does_not_hold(self, clerk):
        define_role('boss', ['users:delete'])
        boss, user = UserFactory(roles=['boss']), UserFactory()

        for user_id, roles in ((user.id, ['boss']), (user.id, ['admin']), (boss.id, ['member'])):
            with pytest.raises(PrivilegeEscalation):
                set_roles(user_id, roles, by=clerk)

    def test_keeps_the_last_admin(self):
        admin = AdminFactory()

        with pytest.raises(LastAdmin):
            set_roles(admin.id, ['member'])
        with pytest.raises(LastAdmin):
            revoke_role(admin.id, 'admin')
        assert set_roles(admin.id, ['admin']).roles == ['admin']

    def test_keeps_one_of_two_admins_who_demote_each_other(self, tmp_path):
        with separate_app(tmp_path) as app:
            one, other = (principal_of(AdminFactory()) for _ in range(2))
            for _ in range(3):
                found = run_concurrently(
                    app,
                    lambda: set_roles(other.user_id, [], by=one),
                    lambda: set_roles(one.user_id, [], by=other),
                )

                assert [type(f) for f in found].count(LastAdmin) == 1
                for admin in (one, other):
                    set_roles(admin.user_id, ['member', 'admin'])

    def test_gives_no_role_that_is_deleted_meanwhile(self, tmp_path):
        with separate_app(tmp_path) as app:
            user = UserFactory()
            for _ in range(5):
                define_role('auditor', ['users:read'])

                found = run_concurrently(
                    app, lambda: grant_role(user.id, 'auditor'), lambda: delete_role('auditor')
                )

                assert {type(f) for f in found if isinstance(f, Exception)} <= {RoleUnknown}
                assert service.get_user(user.id).roles == ['member']


class TestCreateUser:
    def test_gives_own_roles_and_rejects_unknown_ones(self):
        define_role('auditor', ['users:read'])

        user = service.create_user(
            username='eve', email='e@example.com', roles=['member', 'auditor']
        )

        assert user.roles == ['auditor', 'member']
        with pytest.raises(RoleUnknown):
            service.create_user(username='bob', email='b@example.com', roles=['emperor'])


class TestRoutes:
    def test_define_give_show_and_delete(self, as_user):
        admin, user = as_user(AdminFactory()), UserFactory()
        reader = as_user(user)
        assert reader.get(URL).status_code == 403

        made = admin.put(f'{URL}/roles/auditor', json={'permissions': ['users:read']})
        given = admin.put(f'{URL}/{user.id}/roles', json={'roles': ['auditor']})
        listed = data(admin.get(f'{URL}/roles'))['items']

        assert (made.status_code, data(made)['built_in'], made.headers['ETag']) == (
            200, False, '"1"',
        )  # fmt: skip
        assert data(given)['roles'] == ['auditor']
        assert as_user(user).get(URL).status_code == 200
        assert {role['name']: role['built_in'] for role in listed} == {
            'admin': True, 'auditor': False, 'member': True,
        }  # fmt: skip
        assert set(listed[0]['permissions']) == all_permissions()
        stale = admin.delete(f'{URL}/roles/auditor', headers={'If-Match': '"9"'})
        assert stale.status_code == 412
        assert admin.delete(f'{URL}/roles/auditor').status_code == 200
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
    def test_reject(self, as_user, path, body, code, field):
        response = as_user(AdminFactory()).put(f'{URL}/{path}', json=body)

        assert (response.status_code, set(reasons(response))) == (code, {field})


class TestCommands:
    def test_define_give_take_and_delete(self, cli):
        UserFactory(username='ada')
        AdminFactory()

        def run(*args):
            result = cli.invoke(args=['users', *args])
            return result.stderr if result.exit_code else result.stdout

        assert run('roles', 'set', 'auditor', 'users:read') == 'auditor allows users:read.\n'
        assert run('grant', 'ada', 'auditor') == 'ada has auditor, member.\n'
        assert run('revoke', 'ada', 'member', '--dry-run') == 'ada would have auditor.\n'
        assert run('revoke', 'ada', 'member') == 'ada has auditor.\n'
        listed = {role['name']: role for role in json.loads(run('roles', '--json'))}
        assert listed['auditor']['permissions'] == ['users:read']
        assert run('roles', 'delete', 'auditor', '--dry-run') == 'Would delete auditor.\n'
        assert run('roles', 'delete', 'auditor') == 'Deleted auditor.\n'
        assert run('grant', 'ada', 'auditor') == 'Error: roles: No such role\n'
        assert run('roles', 'set', 'admin') == 'Error: role: Built in\n'
