"""Service: the conditions under which a user may change another user."""

from datetime import timedelta

import pytest

from project.core.clock import now
from project.core.errors import ReauthenticationRequired
from project.core.security.permissions import default_permissions
from project.users import service
from project.users.errors import OwnEmailAddress, PrivilegeEscalation
from project.users.permissions import DELETE, WRITE
from tests.users.factories import AdminFactory, UserFactory, principal_of

EMAIL = {'email': 'new@example.com'}


class TestFindPermissions:
    def test_returns_the_permissions_of_the_roles(self):
        assert service.find_permissions(UserFactory().id) == default_permissions()
        assert WRITE in service.find_permissions(AdminFactory().id)

    @pytest.mark.parametrize('state', ['disabled', 'deleted'])
    def test_returns_no_permissions_for_a_user_who_is(self, state):
        AdminFactory()
        user = AdminFactory()
        service.disable_user(user.id) if state == 'disabled' else service.delete_user(user.id)

        assert service.find_permissions(user.id) == frozenset()


class TestEnsureCanUpdate:
    def test_rejects_the_own_email_address_even_with_the_permission(self):
        admin = AdminFactory()

        with pytest.raises(OwnEmailAddress):
            service.update_user(admin.id, EMAIL, by=principal_of(admin))

    def test_accepts_the_own_email_address_unchanged(self):
        admin = AdminFactory()
        changes = {'email': admin.email, 'username': 'grace'}

        assert service.update_user(admin.id, changes, by=principal_of(admin)).username == 'grace'

    def test_requires_a_fresh_login_for_the_own_username(self):
        """ASVS 7.5.1: a change of one's login name needs a fresh login."""
        admin = AdminFactory()
        stale = principal_of(admin, authenticated_at=now() - timedelta(hours=2))

        with pytest.raises(ReauthenticationRequired):
            service.update_user(admin.id, {'username': 'grace'}, by=stale)
        assert service.update_user(admin.id, {'name': 'Grace'}, by=stale).name == 'Grace'

    def test_rejects_an_email_address_by_a_key_with_fewer_permissions(self):
        key = principal_of(AdminFactory(), scopes=frozenset({WRITE}))

        with pytest.raises(PrivilegeEscalation):
            service.update_user(UserFactory().id, EMAIL, by=key)

    def test_accepts_an_email_address_by_a_key_with_the_same_permissions(self):
        key = principal_of(AdminFactory(), scopes=default_permissions() | {WRITE})

        assert service.update_user(UserFactory().id, EMAIL, by=key).email == EMAIL['email']


class TestEnsureCanDelete:
    def test_requires_a_fresh_login_of_users_who_delete_themselves(self):
        AdminFactory()
        admin = AdminFactory()
        stale = principal_of(admin, authenticated_at=now() - timedelta(hours=2))

        with pytest.raises(ReauthenticationRequired):
            service.delete_user(admin.id, by=stale)
        service.delete_user(admin.id, by=principal_of(admin))

    def test_accepts_a_key_with_only_the_scope_for_members(self):
        user = UserFactory()

        service.delete_user(user.id, by=principal_of(AdminFactory(), scopes=frozenset({DELETE})))

        assert service.find_user(user.id) is None
