"""Service: delete, disable and enable users."""

import pytest

from project.core.database.session import db
from project.users import service
from project.users.errors import LastAdmin, PrivilegeEscalation, UserChanged, UserNotFound
from project.users.models import User, UserRole
from project.users.permissions import DELETE
from project.users.personal_data import PersonalData, personal_data_registry
from project.users.signals import user_disabled
from tests.concurrency import run_concurrently, separate_app
from tests.users.factories import AdminFactory, UserFactory, principal_of
from tests.users.service.clerks import clerk_with
from tests.users.service.listed_users import usernames


class TestDeleteUser:
    def test_takes_the_roles_along(self):
        user = UserFactory()

        service.delete_user(user.id)

        assert User.find(user.id) is None
        assert not list(db.session.scalars(db.select(UserRole).filter_by(user_id=user.id)))

    def test_asks_all_features_to_delete_while_the_user_exists(self, monkeypatch):
        user, seen = UserFactory(), []
        holding = PersonalData('one', {}, list, lambda user_id: seen.append(User.find(user_id).id))
        monkeypatch.setattr(
            'project.users.service.users.personal_data_registry',
            lambda: [holding, *personal_data_registry()],
        )

        service.delete_user(user.id)

        assert seen == [user.id]

    def test_deletes_nothing_when_a_feature_cannot_delete(self, monkeypatch):
        user = UserFactory()

        def reject(user_id):
            raise LookupError(user_id)

        late = PersonalData('one', {}, list, reject)
        monkeypatch.setattr(
            'project.users.service.users.personal_data_registry',
            lambda: [*personal_data_registry(), late],
        )

        with pytest.raises(LookupError):
            service.delete_user(user.id)

        assert service.get_user(user.id).version == 1

    def test_rejects_an_unknown_user(self):
        with pytest.raises(UserNotFound):
            service.delete_user(2_147_483_647)

    def test_rejects_another_version(self):
        user = UserFactory()

        with pytest.raises(UserChanged):
            service.delete_user(user.id, expected=frozenset({2}))

        assert service.get_user(user.id)

    def test_rejects_an_admin_to_whoever_may_less(self):
        AdminFactory()
        clerk = clerk_with(DELETE)

        with pytest.raises(PrivilegeEscalation):
            service.delete_user(AdminFactory().id, by=clerk)

    def test_rejects_the_last_admin(self):
        AdminFactory(disabled=True)
        last = AdminFactory()

        with pytest.raises(LastAdmin):
            service.delete_user(last.id, by=principal_of(last))

        assert service.get_user(last.id)

    def test_lets_the_last_but_one_go(self):
        AdminFactory()
        admin = AdminFactory()

        service.delete_user(admin.id, by=principal_of(admin))

        assert User.find(admin.id) is None

    def test_lets_a_disabled_admin_go(self):
        AdminFactory()
        disabled = AdminFactory(disabled=True)

        service.delete_user(disabled.id)

        assert User.find(disabled.id) is None

    @pytest.mark.parametrize(
        ('first', 'second'),
        [
            (service.delete_user, service.delete_user),
            (service.disable_user, service.disable_user),
            (service.delete_user, service.disable_user),
        ],
        ids=['delete-delete', 'disable-disable', 'delete-disable'],
    )
    def test_of_two_admins_who_remove_each_other_one_stays(self, tmp_path, first, second):
        with separate_app(tmp_path) as app:
            one, other = AdminFactory(), AdminFactory()

            results = run_concurrently(app, lambda: first(one.id), lambda: second(other.id))

            assert {type(result) for result in results} == {LastAdmin, type(None)}
            assert len(usernames(filters={'role': 'admin', 'status': 'active'})) == 1


class TestDisableUser:
    def test_says_so(self):
        user = UserFactory()

        service.disable_user(user.id)

        assert service.get_user(user.id).status == 'disabled'

    def test_announces_it(self):
        user, seen = UserFactory(), []

        def record(_sender, *, user_id):
            seen.append(user_id)

        with user_disabled.connected_to(record):
            service.disable_user(user.id)

        assert seen == [user.id]

    def test_rejects_the_last_admin(self):
        last = AdminFactory()

        with pytest.raises(LastAdmin):
            service.disable_user(last.id)

        assert service.get_user(last.id).status == 'active'

    def test_rejects_an_unknown_user(self):
        with pytest.raises(UserNotFound):
            service.disable_user(2_147_483_647)


class TestEnableUser:
    def test_lets_them_in_again(self):
        user = UserFactory(disabled=True)

        service.enable_user(user.id)

        assert service.get_user(user.id).status == 'active'

    def test_rejects_an_unknown_user(self):
        with pytest.raises(UserNotFound):
            service.enable_user(2_147_483_647)
