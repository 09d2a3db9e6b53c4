"""What may happen to users."""

from datetime import UTC, datetime

import pytest
import time_machine

from project.core.database.keyset_pagination import CursorInvalid, PageRequest
from project.core.database.session import db
from project.users import service
from project.users.errors import (
    EmailTaken,
    LastAdmin,
    NoSuchUsername,
    PrivilegeEscalation,
    UserChanged,
    UsernameInvalid,
    UsernameReserved,
    UsernameTaken,
    UserNotFound,
)
from project.users.models import User, UserRole, permissions_of
from project.users.permissions import DELETE, WRITE
from project.users.personal_data import PersonalData, personal_data_registry
from project.users.service.users import RESERVED
from project.users.signals import user_disabled
from tests.concurrency import run_concurrently, separate_app

from .factories import AdminFactory, UserFactory, principal_of


def clerk_with(permission):
    """Return a member who holds one permission more than others, as who asks."""
    return principal_of(UserFactory(), permissions=permissions_of(['member']) | {permission})


def usernames(**request):
    """Return the usernames on a page."""
    return [user.username for user in service.list_users(PageRequest(**request)).items]


class TestListUsers:
    def test_finds_by_address_however_it_is_written(self):
        UserFactory()
        UserFactory(username='ada', email='ada@example.com')

        assert usernames(filters={'email': 'ADA@Example.com'}) == ['ada']
        assert usernames(filters={'email': 'ad'}) == []

    def test_finds_by_username_in_any_case(self):
        UserFactory()
        UserFactory(username='ada')

        assert usernames(filters={'username': 'ADA'}) == ['ada']

    def test_finds_by_status(self):
        UserFactory(username='ada')
        UserFactory(username='bob', disabled=True)

        assert usernames(filters={'status': 'disabled'}) == ['bob']
        assert usernames(filters={'status': 'active'}) == ['ada']

    def test_finds_by_role(self):
        UserFactory(username='ada')
        AdminFactory(username='bob')

        assert usernames(filters={'role': 'admin'}) == ['bob']
        assert usernames(filters={'role': 'member'}) == ['ada', 'bob']

    def test_joins_filters_by_and(self):
        AdminFactory(username='ada', disabled=True)
        AdminFactory(username='bob')

        assert usernames(filters={'role': 'admin', 'status': 'active'}) == ['bob']

    @pytest.mark.parametrize(
        ('sort', 'expected'),
        [
            (None, ['bob', 'cyd', 'ada']),
            ('id', ['bob', 'cyd', 'ada']),
            ('-id', ['ada', 'cyd', 'bob']),
            ('username', ['ada', 'bob', 'cyd']),
            ('-username', ['cyd', 'bob', 'ada']),
            ('created_at', ['cyd', 'ada', 'bob']),
            ('-created_at', ['bob', 'ada', 'cyd']),
        ],
    )
    def test_sorts(self, sort, expected):
        for name, day in (('bob', 3), ('cyd', 1), ('ada', 2)):
            UserFactory(username=name, created_at=datetime(2026, 1, day, tzinfo=UTC))

        assert usernames(sort=sort) == expected

    @pytest.mark.parametrize('sort', ['id', '-id', 'username', 'created_at', '-created_at'])
    def test_pages_neither_repeat_nor_hide(self, sort):
        # All of one moment: only the id tells them apart.
        for _ in range(5):
            UserFactory(created_at=datetime(2026, 1, 1, tzinfo=UTC))
        walked, cursor = [], None

        for _ in range(3):
            page = service.list_users(PageRequest(limit=2, cursor=cursor, sort=sort))
            walked += [user.username for user in page.items]
            cursor = page.next

        assert cursor is None
        assert walked == usernames(sort=sort)
        assert len(walked) == len(set(walked)) == 5

    def test_a_page_that_is_just_full_is_the_last(self):
        UserFactory.create_batch(2)

        assert service.list_users(PageRequest(limit=2)).next is None

    @pytest.mark.parametrize(
        'other', [{'sort': '-id'}, {'filters': {'status': 'active'}}, {'sort': 'username'}]
    )
    def test_rejects_the_cursor_of_another_list(self, other):
        UserFactory.create_batch(3)
        cursor = service.list_users(PageRequest(limit=1)).next

        with pytest.raises(CursorInvalid):
            service.list_users(PageRequest(limit=1, cursor=cursor, **other))


class TestGetUser:
    def test_returns_them(self):
        user = UserFactory()

        assert service.get_user(user.id).username == user.username

    def test_rejects_an_unknown_one(self):
        with pytest.raises(UserNotFound):
            service.get_user(2_147_483_647)


class TestGetUserByLogin:
    def test_returns_them(self):
        user = UserFactory()

        assert service.get_user_by_login(user.email.upper()).id == user.id

    def test_rejects_an_unknown_one(self):
        with pytest.raises(UserNotFound):
            service.get_user_by_login('nobody@example.com')


class TestFindUserByLogin:
    @pytest.mark.parametrize('login', ['ada', 'ADA', 'ada@example.com', 'ADA@example.com'])
    def test_returns_them_by_name_or_address(self, login):
        user = UserFactory(username='ada', email='ada@example.com')

        assert service.find_user_by_login(login).id == user.id

    @pytest.mark.parametrize('login', ['nobody', 'nobody@example.com', ''])
    def test_returns_nothing_for_nobody(self, login):
        assert service.find_user_by_login(login) is None


class TestGetProfile:
    def test_returns_it_whatever_the_case(self):
        UserFactory(username='ada', name='Ada')

        assert service.get_profile('ADA').name == 'Ada'

    def test_rejects_an_unknown_one(self):
        with pytest.raises(NoSuchUsername):
            service.get_profile('nobody')

    def test_rejects_one_who_is_disabled(self):
        UserFactory(username='ada', disabled=True)

        with pytest.raises(NoSuchUsername):
            service.get_profile('ada')


def static_words(app):
    """Return every word that is a path directly below /users."""
    segments = [rule.rule.split('/') for rule in app.url_map.iter_rules()]
    below = [
        parts[4] for parts in segments if parts[:4] == ['', 'api', 'v1', 'users'] and parts[4:]
    ]
    return {word for word in below if not word.startswith('<')}


class TestCheckUsername:
    def test_returns_it_in_lower_case(self):
        assert service.validate_new_username('Ada') == 'ada'

    @pytest.mark.parametrize('name', ['ab', 'a' * 33, '1ab', '_ab', 'a.b', 'abc\n', 'a b', ''])
    def test_rejects_what_is_none(self, name):
        with pytest.raises(UsernameInvalid):
            service.validate_new_username(name)

    def test_rejects_every_word_that_is_a_path(self, app):
        words = static_words(app)

        assert 'me' in words
        assert words <= RESERVED

    @pytest.mark.parametrize('name', sorted(RESERVED))
    def test_rejects_a_reserved_word_in_any_case(self, name):
        with pytest.raises(UsernameInvalid if len(name) < 3 else UsernameReserved):
            service.validate_new_username(name.upper())

    def test_rejects_a_taken_one_in_any_case(self):
        UserFactory(username='ada')

        with pytest.raises(UsernameTaken):
            service.validate_new_username('ADA')


class TestCreateUser:
    def test_makes_a_member(self):
        user = service.create_user(username='Ada', email='Ada@example.com')

        assert (user.username, user.email, user.roles) == ('ada', 'Ada@example.com', ['member'])
        assert (user.status, user.version) == ('active', 1)

    def test_gives_a_role_once(self):
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
    def test_rejects_an_address_that_somebody_has(self, email):
        UserFactory(email='Ada@Example.com')

        with pytest.raises(EmailTaken):
            service.create_user(username='bob', email=email)

    def test_rejects_a_username_that_somebody_has(self):
        UserFactory(username='ada')

        with pytest.raises(UsernameTaken):
            service.create_user(username='ADA', email='other@example.com')

    def test_leaves_nothing_of_what_it_rejected(self):
        UserFactory(username='ada')
        before = service.user_stats()

        with pytest.raises(UsernameTaken):
            service.create_user(username='ada', email='other@example.com')

        assert service.user_stats() == before
        assert User.find_by_login('other@example.com') is None

    def test_rejects_a_reserved_word(self):
        with pytest.raises(UsernameReserved):
            service.create_user(username='roles', email='a@b.example')

    def test_rejects_roles_that_the_asker_does_not_hold(self):
        clerk = clerk_with(WRITE)

        with pytest.raises(PrivilegeEscalation):
            service.create_user(username='ada', email='a@b.example', roles=['admin'], by=clerk)

        assert User.find_by_username('ada') is None

    def test_lets_an_asker_give_what_they_hold(self):
        clerk = clerk_with(WRITE)

        assert service.create_user(username='ada', email='a@b.example', by=clerk).id

    def test_of_many_at_once_makes_one(self, tmp_path):
        with separate_app(tmp_path) as app:

            def create(n):
                return service.create_user(username='ada', email=f'ada{n}@example.com')

            results = run_concurrently(app, *(lambda n=n: create(n) for n in range(4)))

            assert [type(result) for result in results].count(UsernameTaken) == 3
            assert service.user_stats()['active'] == 1


class TestUpdateUser:
    def test_changes_the_given_fields_and_no_other(self):
        user = UserFactory(name='Ada', bio='Analyst')

        changed = service.update_user(user.id, {'name': 'Countess'})

        assert (changed.name, changed.bio, changed.username) == (
            'Countess',
            'Analyst',
            user.username,
        )

    def test_of_many_at_once_from_one_version_one_holds(self, tmp_path):
        with separate_app(tmp_path) as app:
            user = service.create_user(username='ada', email='ada@example.com')

            def change(number):
                return service.update_user(
                    user.id, {'name': f'Ada {number}'}, expected=frozenset([user.version])
                )

            results = run_concurrently(app, *(lambda n=n: change(n) for n in range(8)))

            assert [type(result) for result in results].count(UserChanged) == 7
            (held,) = [result for result in results if not isinstance(result, UserChanged)]
            assert service.get_user(user.id).name == held.name

    def test_two_changes_of_different_fields_both_hold(self, tmp_path):
        with separate_app(tmp_path) as app:
            user = UserFactory(name='Ada', bio='Analyst')

            run_concurrently(
                app,
                lambda: service.update_user(user.id, {'name': 'Countess'}),
                lambda: service.update_user(user.id, {'bio': 'Engines'}),
            )

            changed = service.get_user(user.id)
            assert (changed.name, changed.bio, changed.version) == ('Countess', 'Engines', 3)

    def test_counts_the_version_and_notes_the_time(self):
        made, later = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
        user = UserFactory(created_at=made, updated_at=made)

        with time_machine.travel(later, tick=False):
            changed = service.update_user(user.id, {'name': 'Countess'})

        assert (changed.version, changed.created_at, changed.updated_at) == (2, made, later)

    def test_takes_an_expected_version(self):
        user = UserFactory()

        assert service.update_user(user.id, {'name': 'A'}, expected=frozenset({1, 7})).version == 2

    def test_rejects_another_version(self):
        user = UserFactory(name='Ada')

        with pytest.raises(UserChanged):
            service.update_user(user.id, {'name': 'Countess'}, expected=frozenset({2}))

        assert service.get_user(user.id).name == 'Ada'

    def test_of_many_who_saw_one_version_lets_one_change_it(self, tmp_path):
        with separate_app(tmp_path) as app:
            user = UserFactory()

            def change(n):
                return service.update_user(user.id, {'name': f'{n}'}, expected=frozenset({1}))

            results = run_concurrently(app, *(lambda n=n: change(n) for n in range(4)))

            assert [type(result) for result in results].count(UserChanged) == 3
            assert service.get_user(user.id).version == 2

    def test_rejects_an_unknown_user(self):
        with pytest.raises(UserNotFound):
            service.update_user(2_147_483_647, {'name': 'Ada'})

    def test_lowers_a_username(self):
        assert service.update_user(UserFactory().id, {'username': 'ADA'}).username == 'ada'

    def test_lets_users_keep_their_own_name_and_address(self):
        user = UserFactory(username='ada', email='ada@example.com')

        changed = service.update_user(user.id, {'username': 'Ada', 'email': 'Ada@example.com'})

        assert (changed.username, changed.email) == ('ada', 'Ada@example.com')

    @pytest.mark.parametrize(
        ('changes', 'refusal'),
        [
            ({'username': 'BOB'}, UsernameTaken),
            ({'username': 'roles'}, UsernameReserved),
            ({'username': 'b'}, UsernameInvalid),
            ({'email': 'BOB@example.com'}, EmailTaken),
        ],
    )
    def test_rejects_what_create_user_rejects(self, changes, refusal):
        UserFactory(username='bob', email='bob@example.com')

        with pytest.raises(refusal):
            service.update_user(UserFactory().id, changes)

    def test_finds_a_user_by_the_new_address(self):
        user = UserFactory()

        service.update_user(user.id, {'email': 'New@Example.com'})

        assert service.get_user_by_login('new@example.com').id == user.id

    @pytest.mark.parametrize('field', ['username', 'email'])
    def test_rejects_to_users_what_is_not_theirs_to_say(self, field):
        user = UserFactory()

        with pytest.raises(PrivilegeEscalation):
            service.update_user(
                user.id, {field: 'new@example.com', 'name': 'x'}, by=principal_of(user)
            )

        assert service.get_user(user.id).name == user.name

    def test_rejects_an_admin_to_whoever_may_less(self):
        clerk = clerk_with(WRITE)

        with pytest.raises(PrivilegeEscalation):
            service.update_user(AdminFactory().id, {'email': 'mine@example.com'}, by=clerk)

    def test_lets_a_clerk_change_a_member(self):
        clerk = clerk_with(WRITE)

        changed = service.update_user(UserFactory().id, {'email': 'new@example.com'}, by=clerk)

        assert changed.email == 'new@example.com'


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


class TestRecordLogin:
    def test_shows_in_the_profile(self):
        user, moment = UserFactory(), datetime(2026, 2, 1, tzinfo=UTC)

        with time_machine.travel(moment, tick=False):
            service.record_login(user.id)

        assert service.get_profile(user.username).last_login == moment

    def test_tells_who_may(self):
        assert service.record_login(UserFactory().id)
        assert not service.record_login(UserFactory(disabled=True).id)
        assert not service.record_login(2_147_483_647)

    def test_is_no_change_of_the_user(self):
        user = UserFactory()

        service.record_login(user.id)

        assert service.get_user(user.id).version == 1


class TestUserStats:
    def test_counts_by_status(self):
        UserFactory.create_batch(2)
        UserFactory(disabled=True)

        assert service.user_stats() == {'active': 2, 'disabled': 1}

    def test_counts_nobody(self):
        assert service.user_stats() == {'active': 0, 'disabled': 0}
