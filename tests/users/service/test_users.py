"""Service: create and update users, check usernames, record logins and count users."""

from datetime import UTC, datetime

import pytest

from project.users import service
from project.users.errors import (
    EmailTaken,
    PrivilegeEscalation,
    RoleUnknown,
    UserChanged,
    UsernameInvalid,
    UsernameReserved,
    UsernameTaken,
    UserNotFound,
)
from project.users.models import User
from project.users.name_patterns import RESERVED_USERNAMES
from project.users.permissions import WRITE
from project.users.service import define_role
from tests.concurrency import run_concurrently, separate_app
from tests.users.factories import AdminFactory, UserFactory, condition_on, principal_of
from tests.users.service.clerks import clerk_with


class TestValidateNewUsername:
    def test_returns_the_name_in_lower_case(self):
        assert service.validate_new_username('Ada') == 'ada'

    @pytest.mark.parametrize('name', ['ab', 'a' * 33, '1ab', '_ab', 'a.b', 'abc\n', 'a b', ''])
    def test_rejects_an_invalid_name(self, name):
        with pytest.raises(UsernameInvalid):
            service.validate_new_username(name)

    @pytest.mark.parametrize('name', sorted(RESERVED_USERNAMES))
    def test_rejects_a_reserved_word_in_any_case(self, name):
        with pytest.raises(UsernameInvalid if len(name) < 3 else UsernameReserved):
            service.validate_new_username(name.upper())

    def test_rejects_a_taken_name_in_any_case(self):
        UserFactory(username='ada')

        with pytest.raises(UsernameTaken):
            service.validate_new_username('ADA')


class TestCreateUser:
    def test_creates_a_member(self):
        user = service.create_user(username='Ada', email='Ada@example.com')

        assert (user.username, user.email, user.roles) == ('ada', 'Ada@example.com', ['member'])
        assert (user.status, user.version) == ('active', 1)

    def test_assigns_each_role_once(self):
        user = service.create_user(
            username='ada', email='ada@example.com', roles=['admin', 'member', 'admin']
        )

        assert user.roles == ['admin', 'member']

    @pytest.mark.parametrize(
        'email',
        [
            'ada@example.com',
            'ADA@EXAMPLE.COM',
            '\N{FULLWIDTH LATIN SMALL LETTER A}da@example.com',
        ],
    )
    def test_rejects_a_taken_email_address(self, email):
        UserFactory(email='Ada@Example.com')

        with pytest.raises(EmailTaken):
            service.create_user(username='bob', email=email)

    def test_rejects_a_taken_username(self):
        UserFactory(username='ada')

        with pytest.raises(UsernameTaken):
            service.create_user(username='ADA', email='other@example.com')

    def test_stores_nothing_if_it_raises(self):
        UserFactory(username='ada')
        before = service.user_stats()

        with pytest.raises(UsernameTaken):
            service.create_user(username='ada', email='other@example.com')

        assert service.user_stats() == before
        assert User.find_by_login('other@example.com') is None

    def test_rejects_a_reserved_username(self):
        with pytest.raises(UsernameReserved):
            service.create_user(username='roles', email='a@b.example')

    def test_rejects_roles_with_permissions_that_the_actor_does_not_hold(self):
        clerk = clerk_with(WRITE)

        with pytest.raises(PrivilegeEscalation):
            service.create_user(username='ada', email='a@b.example', roles=['admin'], by=clerk)

        assert User.find_by_username('ada') is None

    def test_accepts_an_actor_with_all_permissions_of_the_roles(self):
        clerk = clerk_with(WRITE)

        assert service.create_user(username='ada', email='a@b.example', by=clerk).id

    def test_creates_one_user_for_concurrent_calls(self, tmp_path):
        with separate_app(tmp_path) as app:

            def create(n):
                return service.create_user(username='ada', email=f'ada{n}@example.com')

            results = run_concurrently(app, *(lambda n=n: create(n) for n in range(4)))

            assert [type(result) for result in results].count(UsernameTaken) == 3
            assert service.user_stats()['active'] == 1

    def test_assigns_defined_roles_and_rejects_unknown_ones(self):
        define_role('auditor', ['users:read'])

        user = service.create_user(
            username='eve', email='e@example.com', roles=['member', 'auditor']
        )

        assert user.roles == ['auditor', 'member']
        with pytest.raises(RoleUnknown):
            service.create_user(username='bob', email='b@example.com', roles=['emperor'])


class TestUpdateUser:
    def test_changes_only_the_given_fields(self):
        user = UserFactory(name='Ada', bio='Analyst')

        changed = service.update_user(user.id, {'name': 'Countess'})

        assert (changed.name, changed.bio, changed.username) == (
            'Countess',
            'Analyst',
            user.username,
        )

    def test_keeps_one_of_eight_concurrent_changes_of_a_version(self, tmp_path):
        with separate_app(tmp_path) as app:
            user = service.create_user(username='ada', email='ada@example.com')
            condition = condition_on(user)

            def change(number):
                return service.update_user(user.id, {'name': f'Ada {number}'}, expected=condition)

            results = run_concurrently(app, *(lambda n=n: change(n) for n in range(8)))

            assert [type(result) for result in results].count(UserChanged) == 7
            (held,) = [result for result in results if not isinstance(result, UserChanged)]
            assert service.get_user(user.id).name == held.name

    def test_keeps_concurrent_changes_of_different_fields(self, tmp_path):
        with separate_app(tmp_path) as app:
            user = UserFactory(name='Ada', bio='Analyst')

            run_concurrently(
                app,
                lambda: service.update_user(user.id, {'name': 'Countess'}),
                lambda: service.update_user(user.id, {'bio': 'Engines'}),
            )

            changed = service.get_user(user.id)
            assert (changed.name, changed.bio, changed.version) == ('Countess', 'Engines', 3)

    def test_increments_the_version_and_sets_the_time(self, travel):
        made, later = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
        user = UserFactory(created_at=made, updated_at=made)

        with travel(to=later):
            changed = service.update_user(user.id, {'name': 'Countess'})

        assert (changed.version, changed.created_at, changed.updated_at) == (2, made, later)

    def test_accepts_an_expected_version(self):
        user = UserFactory()

        assert (
            service.update_user(user.id, {'name': 'A'}, expected=condition_on(user, 1, 7)).version
            == 2
        )

    def test_rejects_another_version(self):
        user = UserFactory(name='Ada')

        with pytest.raises(UserChanged):
            service.update_user(user.id, {'name': 'Countess'}, expected=condition_on(user, 2))

        assert service.get_user(user.id).name == 'Ada'

    def test_keeps_one_of_concurrent_changes_of_the_first_version(self, tmp_path):
        with separate_app(tmp_path) as app:
            user = UserFactory()
            condition = condition_on(user)

            def change(n):
                return service.update_user(user.id, {'name': f'{n}'}, expected=condition)

            results = run_concurrently(app, *(lambda n=n: change(n) for n in range(4)))

            assert [type(result) for result in results].count(UserChanged) == 3
            assert service.get_user(user.id).version == 2

    def test_rejects_an_unknown_user(self):
        with pytest.raises(UserNotFound):
            service.update_user(2_147_483_647, {'name': 'Ada'})

    def test_stores_a_username_in_lower_case(self):
        assert service.update_user(UserFactory().id, {'username': 'ADA'}).username == 'ada'

    def test_accepts_the_current_username_and_email_address(self):
        user = UserFactory(username='ada', email='ada@example.com')

        changed = service.update_user(user.id, {'username': 'Ada', 'email': 'Ada@example.com'})

        assert (changed.username, changed.email) == ('ada', 'Ada@example.com')

    @pytest.mark.parametrize(
        ('changes', 'error'),
        [
            ({'username': 'BOB'}, UsernameTaken),
            ({'username': 'roles'}, UsernameReserved),
            ({'username': 'b'}, UsernameInvalid),
            ({'email': 'BOB@example.com'}, EmailTaken),
        ],
    )
    def test_rejects_what_create_user_rejects(self, changes, error):
        UserFactory(username='bob', email='bob@example.com')

        with pytest.raises(error):
            service.update_user(UserFactory().id, changes)

    def test_allows_lookups_by_the_new_email_address(self):
        user = UserFactory()

        service.update_user(user.id, {'email': 'New@Example.com'})

        assert service.get_user_by_login('new@example.com').id == user.id

    @pytest.mark.parametrize('field', ['username', 'email'])
    def test_rejects_fields_that_users_may_not_change(self, field):
        user = UserFactory()

        with pytest.raises(PrivilegeEscalation):
            service.update_user(
                user.id, {field: 'new@example.com', 'name': 'x'}, by=principal_of(user)
            )

        assert service.get_user(user.id).name == user.name

    def test_rejects_a_change_of_a_user_with_more_permissions(self):
        clerk = clerk_with(WRITE)

        with pytest.raises(PrivilegeEscalation):
            service.update_user(AdminFactory().id, {'email': 'mine@example.com'}, by=clerk)

    def test_accepts_a_change_of_a_member_by_a_clerk(self):
        clerk = clerk_with(WRITE)

        changed = service.update_user(UserFactory().id, {'email': 'new@example.com'}, by=clerk)

        assert changed.email == 'new@example.com'


class TestRecordLogin:
    def test_sets_the_last_login_of_the_profile(self, travel):
        user, moment = UserFactory(), datetime(2026, 2, 1, tzinfo=UTC)

        with travel(to=moment):
            service.record_login(user.id)

        assert service.get_profile(user.username).last_login == moment

    def test_returns_whether_the_user_is_active(self):
        assert service.record_login(UserFactory().id)
        assert not service.record_login(UserFactory(disabled=True).id)
        assert not service.record_login(2_147_483_647)

    def test_does_not_change_the_version_of_the_user(self):
        user = UserFactory()

        service.record_login(user.id)

        assert service.get_user(user.id).version == 1


class TestUserStats:
    def test_counts_by_status(self):
        UserFactory.create_batch(2)
        UserFactory(disabled=True)

        assert service.user_stats() == {'active': 2, 'disabled': 1}

    def test_returns_zero_without_users(self):
        assert service.user_stats() == {'active': 0, 'disabled': 0}
