"""Service: define, delete, list and set roles."""

from functools import partial

import pytest

from project.core.database.keyset_pagination import PageRequest
from project.core.database.session import atomic, db
from project.core.security.permissions import default_permissions
from project.core.version_preconditions import Precondition
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
from project.users.models import RoleDefinition, permissions_of, role_etag
from project.users.service import (
    define_role,
    delete_role,
    grant_role,
    list_roles,
    revoke_role,
    set_roles,
)
from project.users.service.authorization import update_user_row
from project.users.signals import user_roles_changed
from tests.concurrency import run_concurrently, separate_app
from tests.users.factories import AdminFactory, UserFactory, condition_on, principal_of


@pytest.fixture
def clerk():
    """Return the principal of a member with the permissions to read users and define roles."""
    return principal_of(
        UserFactory(),
        permissions=default_permissions() | {'users:read', 'roles:write', 'roles:read'},
    )


def condition_on_role(role):
    """Return the condition that a role has the ETag of `role`."""
    return Precondition(must_exist=True, accepted=frozenset([role_etag(role)]))


class TestDefineRole:
    def test_creates_a_role_and_changes_it(self):
        made = define_role('auditor', ['users:read', 'users:read'])
        changed = define_role('auditor', ['users:write'])

        assert (made.permissions, made.version) == (['users:read'], 1)
        assert (changed.permissions, changed.version) == (['users:write'], 2)

    @pytest.mark.parametrize(
        ('name', 'permissions', 'error'),
        [
            ('admin', [], RoleBuiltIn), ('member', ['users:read'], RoleBuiltIn),
            ('x', [], RoleInvalid), ('Über', [], RoleInvalid), ('a' * 33, [], RoleInvalid),
            ('auditor\n', [], RoleInvalid), ('auditor', ['users:fly'], PermissionUnknown),
        ],
    )  # fmt: skip
    def test_rejects(self, name, permissions, error):
        with pytest.raises(error):
            define_role(name, permissions)

    def test_rejects_permissions_that_the_actor_does_not_hold(self, clerk):
        with pytest.raises(PrivilegeEscalation):
            define_role('boss', ['users:delete'], by=clerk)
        assert define_role('reader', ['users:read'], by=clerk)

    def test_rejects_revoking_permissions_that_the_actor_does_not_hold(self, clerk):
        define_role('boss', ['users:delete'])

        with pytest.raises(PrivilegeEscalation):
            define_role('boss', [], by=clerk)
        with pytest.raises(PrivilegeEscalation):
            delete_role('boss', by=clerk)

    def test_rejects_another_version(self):
        role = define_role('auditor', ['users:read'])

        for other in (role._replace(version=2), role._replace(permissions=[])):
            with pytest.raises(RoleChanged):
                define_role('auditor', [], expected=condition_on_role(other))
        with pytest.raises(RoleChanged):
            define_role('clerk', [], expected=condition_on_role(role))
        assert define_role('auditor', [], expected=condition_on_role(role))

    def test_rejects_the_etag_of_a_deleted_role_of_the_same_name(self):
        former = define_role('auditor', ['users:read'])
        delete_role('auditor')
        define_role('auditor', ['users:read'])

        with pytest.raises(RoleChanged):
            define_role('auditor', [], expected=condition_on_role(former))

    def test_only_creates_a_role_if_no_role_may_exist(self):
        only_new = Precondition(must_not_exist=True)
        assert define_role('auditor', ['users:read'], expected=only_new).version == 1

        with pytest.raises(RoleChanged):
            define_role('auditor', [], expected=only_new)


class TestDeleteRole:
    def test_revokes_the_role_from_its_users(self):
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
        role = define_role('auditor', [])
        with pytest.raises(RoleChanged):
            delete_role('auditor', expected=condition_on_role(role._replace(version=2)))


class TestListRoles:
    def test_includes_the_built_in_roles(self):
        define_role('auditor', ['users:read'])

        assert [r.name for r in list_roles(PageRequest()).items] == ['admin', 'auditor', 'member']


class TestSetRoles:
    def test_replaces_the_roles_and_sends_a_signal(self):
        received = []
        define_role('auditor', ['users:read'])
        user = UserFactory()
        before = service.get_user(user.id).version

        def receive(_sender, **values):
            received.append(values)

        with user_roles_changed.connected_to(receive):
            changed = set_roles(user.id, ['auditor', 'auditor'])

        assert (changed.roles, changed.version) == (['auditor'], before + 1)
        assert received == [
            {'user_id': user.id, 'was': ['member'], 'roles': ['auditor'], 'by': None}
        ]

    def test_keeps_default_permissions_when_the_last_role_is_removed(self):
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
            set_roles(user.id, [], expected=condition_on(user, 99))
        assert service.get_user(user.id).roles == ['member']

    def test_rejects_roles_with_permissions_that_the_actor_does_not_hold(self, clerk):
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

    def test_rejects_the_etag_with_a_role_that_is_deleted_concurrently(self, tmp_path, queries):
        """The deletion commits after the update has read the roles.

        On SQLite it commits before, because only one transaction writes at a time.
        """
        with separate_app(tmp_path) as app:
            define_role('auditor', [])
            user = grant_role(UserFactory().id, 'auditor')
            condition = condition_on(user)
            deletions = [partial(delete_role, 'auditor')]

            def delete_once(statement):
                if deletions and RoleDefinition.__tablename__ in statement:
                    assert run_concurrently(app, deletions.pop()) == [None]

            if db.engine.dialect.name == 'sqlite':
                deletions.pop()()

            with (
                queries(before=delete_once),
                pytest.raises(UserChanged),
                atomic(locking=[user.id]),
            ):
                update_user_row(user.id, {}, condition)

            assert deletions == []

    def test_grants_no_role_that_is_deleted_concurrently(self, tmp_path):
        with separate_app(tmp_path) as app:
            user = UserFactory()
            for _ in range(5):
                define_role('auditor', ['users:read'])

                found = run_concurrently(
                    app, lambda: grant_role(user.id, 'auditor'), lambda: delete_role('auditor')
                )

                assert {type(f) for f in found if isinstance(f, Exception)} <= {RoleUnknown}
                assert service.get_user(user.id).roles == ['member']
