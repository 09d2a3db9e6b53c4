"""Models: `email_key`, and queries that find a user by id, username or login."""

import pytest

from project.core.database.session import atomic, db
from project.users.models import User, UserRole, email_key
from tests.users.factories import AdminFactory, UserFactory


class TestEmailKey:
    @pytest.mark.parametrize(
        'variant',
        [
            'ada@example.com',
            'ADA@Example.COM',
            'ada@EXAMPLE.com',
            '\N{FULLWIDTH LATIN SMALL LETTER A}da@example.com',
            '\N{FULLWIDTH LATIN CAPITAL LETTER A}DA@example.com',
            '\N{MATHEMATICAL BOLD SMALL A}da@example.com',
        ],
    )
    def test_returns_the_same_for_all_spellings_of_an_email_address(self, variant):
        assert email_key(variant) == 'ada@example.com'

    @pytest.mark.parametrize(
        ('one', 'other'),
        [
            ('mi\N{KELVIN SIGN}e@example.com', 'mike@example.com'),
            ('stra\N{LATIN SMALL LETTER SHARP S}e@example.com', 'STRASSE@example.com'),
            ('caf\N{LATIN SMALL LETTER E WITH ACUTE}@example.com', 'CAFE\N{COMBINING ACUTE ACCENT}@'
             'example.com'),
        ],
    )  # fmt: skip
    def test_returns_the_same_for_equivalent_letters(self, one, other):
        assert email_key(one) == email_key(other)

    @pytest.mark.parametrize(
        ('one', 'other'),
        [
            ('ada@example.com', 'ada@example.org'),
            ('ada@stra\N{LATIN SMALL LETTER SHARP S}e.test', 'ada@strasse.test'),
        ],
    )
    def test_returns_different_keys_for_different_email_addresses(self, one, other):
        assert email_key(one) != email_key(other)


class TestUser:
    def test_never_gets_the_id_of_a_deleted_user(self):
        newest = UserFactory()

        with atomic():
            db.session.delete(db.session.merge(newest))

        assert UserFactory().id > newest.id


class TestUserFind:
    def test_returns_the_roles_in_order(self):
        assert User.find(UserFactory(roles=['member', 'admin']).id).roles == ['admin', 'member']

    def test_returns_none_for_an_unknown_id(self):
        assert User.find(2_147_483_647) is None


class TestUserFindByUsername:
    def test_ignores_the_case(self):
        user = UserFactory(username='ada')

        assert User.find_by_username('ADA').id == user.id
        assert User.find_by_username('ad') is None


class TestUserFindByLogin:
    @pytest.mark.parametrize(
        'login', ['ada', 'Ada', 'ada@example.com', 'ADA@EXAMPLE.COM', ' ada@example.com ']
    )
    def test_returns_a_user_by_username_or_email_address(self, login):
        user = UserFactory(username='ada')

        assert User.find_by_login(login).id == user.id

    @pytest.mark.parametrize('login', ['ada@xn--bcher-kva.test', 'ADA@BÜCHER.test'])
    def test_accepts_any_form_of_an_internationalized_domain(self, login):
        user = UserFactory(email='ada@bücher.test')

        assert User.find_by_login(login).id == user.id

    def test_does_not_use_the_local_part_as_a_username(self):
        UserFactory(username='ada', email='lovelace@example.com')

        assert User.find_by_login('ada@example.com') is None


class TestUserRoleFindActiveAdmins:
    def test_returns_only_active_admins(self):
        UserFactory()
        AdminFactory(disabled=True)
        one, other = AdminFactory(), AdminFactory()

        assert UserRole.find_active_admins() == [one.id, other.id]
