"""Service: receive the signals of the feature `users`, and record security events."""

from project.users import service as users
from tests.auth.service.recorded_events import events
from tests.users.factories import AdminFactory, UserFactory, principal_of


class TestReceivers:
    def test_record_a_created_user_and_the_actor(self):
        admin = principal_of(AdminFactory())

        user = users.create_user(username='eve', email='e@example.com', invite=True, by=admin)

        assert events() == [('user_created', f'user:{admin.user_id}', {'invited': True})]
        assert user

    def test_record_a_changed_username(self):
        admin, user = principal_of(AdminFactory()), UserFactory()

        users.update_user(user.id, {'username': 'eve', 'name': 'Eve'}, by=admin)
        users.update_user(user.id, {'username': 'EVE', 'name': ''}, by=None)

        assert events() == [('username_changed', f'user:{admin.user_id}', {})]

    def test_record_a_deleted_user_and_the_actor(self):
        admin, one, other = principal_of(AdminFactory()), UserFactory(), UserFactory()

        users.delete_user(one.id, by=admin)
        users.delete_user(other.id, by=principal_of(other))

        assert events() == [
            ('user_deleted', f'user:{admin.user_id}', {'user': one.id}),
            ('user_deleted', 'self', {'user': other.id}),
        ]

    def test_record_a_disabled_and_an_enabled_user(self):
        user = UserFactory()

        users.disable_user(user.id)
        users.enable_user(user.id)

        assert [kind for kind, *_ in events()] == ['user_disabled', 'user_enabled']

    def test_record_and_invite_imported_users(self, mailbox):
        users.import_users([row('ada'), row('eve')])

        assert [kind for kind, *_ in events()] == ['user_created', 'user_created']
        assert {mail['To'] for mail in mailbox()} == {'ada@example.com', 'eve@example.com'}

    def test_invite_no_imported_users_without_the_option(self, mailbox):
        users.import_users([row('ada')], invite=False)

        assert mailbox() == []


def row(username):
    """Return the row of a user to import."""
    plain = {'username': username, 'email': f'{username}@example.com', 'name': '', 'bio': ''}
    return {**plain, 'roles': ['member']}
