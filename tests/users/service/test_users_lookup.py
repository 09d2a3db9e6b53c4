"""Service: list and find users, and show their profiles."""

from datetime import UTC, datetime

import pytest

from project.core.database.keyset_pagination import CursorInvalid, PageRequest
from project.users import service
from project.users.errors import NoSuchUsername, UserNotFound
from tests.users.factories import AdminFactory, UserFactory
from tests.users.service.listed_users import usernames


class TestListUsers:
    def test_filters_by_email_address_in_any_spelling(self):
        UserFactory()
        UserFactory(username='ada', email='ada@example.com')

        assert usernames(filters={'email': 'ADA@Example.com'}) == ['ada']
        assert usernames(filters={'email': 'ad'}) == []

    def test_filters_by_username_in_any_case(self):
        UserFactory()
        UserFactory(username='ada')

        assert usernames(filters={'username': 'ADA'}) == ['ada']

    def test_filters_by_status(self):
        UserFactory(username='ada')
        UserFactory(username='bob', disabled=True)

        assert usernames(filters={'status': 'disabled'}) == ['bob']
        assert usernames(filters={'status': 'active'}) == ['ada']

    def test_filters_by_role(self):
        UserFactory(username='ada')
        AdminFactory(username='bob')

        assert usernames(filters={'role': 'admin'}) == ['bob']
        assert usernames(filters={'role': 'member'}) == ['ada', 'bob']

    def test_combines_filters_with_and(self):
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
    def test_returns_pages_without_repetitions_or_gaps(self, sort):
        # All users have the same creation time: only the id determines their order.
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

    def test_returns_no_cursor_on_a_full_last_page(self):
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
    def test_returns_the_user(self):
        user = UserFactory()

        assert service.get_user(user.id).username == user.username

    def test_rejects_an_unknown_user(self):
        with pytest.raises(UserNotFound):
            service.get_user(2_147_483_647)


class TestGetUserByLogin:
    def test_returns_the_user(self):
        user = UserFactory()

        assert service.get_user_by_login(user.email.upper()).id == user.id

    def test_rejects_an_unknown_user(self):
        with pytest.raises(UserNotFound):
            service.get_user_by_login('nobody@example.com')


class TestFindUserByLogin:
    @pytest.mark.parametrize('login', ['ada', 'ADA', 'ada@example.com', 'ADA@example.com'])
    def test_returns_the_user_by_username_or_email_address(self, login):
        user = UserFactory(username='ada', email='ada@example.com')

        assert service.find_user_by_login(login).id == user.id

    @pytest.mark.parametrize('login', ['nobody', 'nobody@example.com', ''])
    def test_returns_none_for_an_unknown_login(self, login):
        assert service.find_user_by_login(login) is None


class TestGetProfile:
    def test_ignores_the_case(self):
        UserFactory(username='ada', name='Ada')

        assert service.get_profile('ADA').name == 'Ada'

    def test_rejects_an_unknown_username(self):
        with pytest.raises(NoSuchUsername):
            service.get_profile('nobody')

    def test_rejects_a_disabled_user(self):
        UserFactory(username='ada', disabled=True)

        with pytest.raises(NoSuchUsername):
            service.get_profile('ada')
