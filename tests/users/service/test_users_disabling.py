"""Service: disable and enable users."""

import pytest

from project.users import service
from project.users.errors import LastAdmin, UserNotFound
from project.users.signals import user_disabled
from tests.users.factories import AdminFactory, UserFactory


class TestDisableUser:
    def test_sets_the_status(self):
        user = UserFactory()

        service.disable_user(user.id)

        assert service.get_user(user.id).status == 'disabled'

    def test_sends_a_signal(self):
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
    def test_sets_the_status_to_active(self):
        user = UserFactory(disabled=True)

        service.enable_user(user.id)

        assert service.get_user(user.id).status == 'active'

    def test_rejects_an_unknown_user(self):
        with pytest.raises(UserNotFound):
            service.enable_user(2_147_483_647)
