"""Service: receivers record changes of users as security events."""

from project.users import service as users
from tests.auth.service.recorded_events import events
from tests.users.factories import AdminFactory, UserFactory, principal_of


class TestNotes:
    def test_record_which_user_was_created_and_by_whom(self):
        admin = principal_of(AdminFactory())

        user = users.create_user(username='eve', email='e@example.com', invite=True, by=admin)

        assert events() == [('user_created', f'user:{admin.user_id}', {'invited': True})]
        assert user

    def test_record_which_user_was_locked_and_unlocked(self):
        user = UserFactory()

        users.disable_user(user.id)
        users.enable_user(user.id)

        assert [kind for kind, *_ in events()] == ['user_disabled', 'user_enabled']
