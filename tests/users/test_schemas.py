"""Schemas of users: the fields that requests accept and responses contain."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from marshmallow import Schema, ValidationError

from project.users.schemas import Username, UserProfileSchema, UserSchema


class UsernameRequest(Schema):
    """A request schema whose only field is a username."""

    username = Username(required=True)


class TestUsername:
    @pytest.mark.parametrize('name', ['abc', 'a' * 32, 'a_b', 'a-b', 'a12', 'Ada', 'A__', 'x--'])
    def test_accepts(self, name):
        assert UsernameRequest().load({'username': name}) == {'username': name}

    @pytest.mark.parametrize(
        'name',
        [
            '', 'ab', 'a' * 33, '1ab', '_ab', '-ab', '123', 'a b', 'a.b', 'a@b', 'a/b', 'abc\n',
            ' abc', 'abc ', 'abc\0', '\N{LATIN SMALL LETTER A WITH DIAERESIS}bc', 'ab\N{BULLET}',
            'ab\N{FULLWIDTH LATIN SMALL LETTER C}', 'ab\N{ARABIC-INDIC DIGIT ONE}', 123, None, True,
            ['abc'], {'a': 'b'},
        ],
    )  # fmt: skip
    def test_rejects(self, name):
        with pytest.raises(ValidationError) as error:
            UsernameRequest().load({'username': name})

        assert set(error.value.messages) == {'username'}


class TestUserSchema:
    def test_dumps_its_fields_only(self):
        moment = datetime(2026, 2, 1, 8, 30, tzinfo=UTC)
        user = SimpleNamespace(
            id=1, username='ada', email='ada@example.com', name='Ada', bio='', roles=['member'],
            status='active', version=3, created_at=moment, updated_at=moment,
            email_key='secret', password_hash='secret', last_login=moment,
        )  # fmt: skip

        shown = UserSchema().dump(user)

        assert shown == {
            'id': 1, 'username': 'ada', 'email': 'ada@example.com', 'name': 'Ada', 'bio': '',
            'roles': ['member'], 'status': 'active', 'version': 3,
            'created_at': '2026-02-01T08:30:00Z', 'updated_at': '2026-02-01T08:30:00Z',
        }  # fmt: skip


def since(last_login: datetime | None) -> int | None:
    """Return the field `since_logged_in` of a profile: the days since the last login."""
    user = SimpleNamespace(last_login=last_login)
    return UserProfileSchema(only=['since_logged_in']).dump(user)['since_logged_in']


class TestUserProfileSchema:
    @pytest.mark.parametrize(
        ('last_login', 'today', 'days'),
        [
            (datetime(2026, 1, 31, 12, tzinfo=UTC), datetime(2026, 2, 1, 12, tzinfo=UTC), 1),
            (datetime(2026, 2, 28, 12, tzinfo=UTC), datetime(2026, 3, 1, 12, tzinfo=UTC), 1),
            (datetime(2028, 2, 28, 12, tzinfo=UTC), datetime(2028, 3, 1, 12, tzinfo=UTC), 2),
            (datetime(2025, 12, 31, 12, tzinfo=UTC), datetime(2026, 1, 1, 12, tzinfo=UTC), 1),
            (datetime(2025, 1, 15, 12, tzinfo=UTC), datetime(2026, 1, 15, 12, tzinfo=UTC), 365),
            (datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 2, 11, 59, tzinfo=UTC), 0),
            (datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 1, 12, tzinfo=UTC), 0),
        ],
    )
    def test_counts_whole_days_across_months(self, last_login, today, days, travel):
        with travel(to=today):
            assert since(last_login) == days

    def test_returns_no_negative_number_of_days(self, travel):
        with travel(to=datetime(2026, 1, 1, tzinfo=UTC)):
            assert since(datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC)) == 0

    def test_returns_null_without_a_login(self):
        assert since(None) is None
