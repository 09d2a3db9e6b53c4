"""Service: create, list, identify and delete API keys."""

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select

from project.auth.errors import ExpiryPast, KeyNotFound, ScopeUnknown, TooManyKeys
from project.auth.models import ApiKey, Event
from project.auth.service import create_key, delete_key, identify, list_keys
from project.auth.service.credentials.api_keys import MAX_API_KEYS_PER_USER
from project.core.clock import now
from project.core.database.keyset_pagination import PageRequest
from project.core.database.session import atomic, db
from project.core.security.tokens import kind_of, token_hash
from project.users import service as users
from project.users.errors import PrivilegeEscalation
from project.users.models import UserRole
from tests.auth.factories import account
from tests.auth.pins import plain
from tests.concurrency import run_concurrently, separate_app
from tests.users.factories import AdminFactory, UserFactory, principal_of


@pytest.fixture
def asker():
    """Who makes keys."""
    return principal_of(account(username='ada'))


def make(asker, **changes):
    """Make a key that may read files, unless told otherwise."""
    return create_key(asker, **{'name': 'Nightly', 'scopes': ['files:read'], **changes})


class TestCreateKey:
    def test_shows_the_key_once_and_stores_its_hash(self, asker):
        made = make(asker)

        assert kind_of(made['key']) == 'pak'
        assert made['key'].startswith(made['hint'])
        stored = db.session.scalars(select(ApiKey)).one()
        assert stored.token_hash == token_hash(made['key'])
        assert made['key'] not in repr(vars(stored))

    def test_tells_by_mail_and_writes_it_down(self, asker, mailbox):
        """ASVS 6.3.7."""
        make(asker)

        [mail] = mailbox()
        assert mail['Subject'] == 'A new API key'
        assert 'files:read' in plain(mail)
        assert 'key_created' in db.session.scalars(select(Event.event_type)).all()

    @pytest.mark.parametrize(
        ('changes', 'refusal'),
        [
            ({'scopes': ['files:fly']}, ScopeUnknown),
            ({'scopes': ['users:read']}, PrivilegeEscalation),
            ({'expires_at': now() - timedelta(seconds=1)}, ExpiryPast),
        ],
    )
    def test_rejects(self, asker, changes, refusal):
        with pytest.raises(refusal):
            make(asker, **changes)

        assert db.session.scalars(select(ApiKey)).all() == []

    def test_gives_an_admin_what_they_hold(self):
        assert make(principal_of(AdminFactory()), scopes=['users:read', 'users:invite'])

    def test_stops_at_fifty(self, asker):
        for _ in range(MAX_API_KEYS_PER_USER):
            make(asker)

        with pytest.raises(TooManyKeys):
            make(asker)

    def test_stops_at_fifty_however_many_come_at_once(self, tmp_path):
        with separate_app(tmp_path) as app:
            asker = principal_of(account())
            for _ in range(MAX_API_KEYS_PER_USER - 2):
                make(asker)

            found = run_concurrently(app, *[lambda: make(asker)] * 5)

            assert [type(f) for f in found].count(TooManyKeys) == 3


class TestRemindOfKey:
    def test_comes_a_week_before_the_end(self, asker, mailbox):
        """ASVS 6.4.5."""
        with time_machine.travel(now(), tick=False) as clock:
            make(asker, expires_at=now() + timedelta(days=30))
            assert len(mailbox()) == 1

            clock.shift(timedelta(days=23, seconds=1))

            assert [mail['Subject'] for mail in mailbox()][1:] == ['An API key will expire soon']

    def test_is_silent_about_a_key_that_is_gone(self, asker, mailbox):
        with time_machine.travel(now(), tick=False) as clock:
            made = make(asker, expires_at=now() + timedelta(days=30))
            delete_key(asker.user_id, made['id'])
            clock.shift(timedelta(days=23, seconds=1))

            assert [mail['Subject'] for mail in mailbox()] == ['A new API key']


class TestIdentifyKey:
    def test_names_its_owner_within_its_scopes(self, asker, assert_max_queries):
        made = make(asker, scopes=['files:read', 'profile:read'])
        identify(made['key'])

        with assert_max_queries(1):
            found = identify(made['key'])

        assert found.user_id == asker.user_id
        assert found.scopes == {'files:read', 'profile:read'}
        assert found.has_permission('files:read')
        assert not found.has_permission('files:write')

    def test_is_never_fresh_and_no_session(self, asker):
        found = identify(make(asker)['key'])

        assert not found.is_fresh()
        assert found.session_id is None

    def test_may_no_more_than_its_owner_may_now(self):
        """ASVS 8.3.2."""
        admin = AdminFactory()
        AdminFactory()
        made = make(principal_of(admin), scopes=['users:read'])
        assert identify(made['key']).has_permission('users:read')

        with atomic():
            role = UserRole.__table__.delete().where(UserRole.user_id == admin.id)
            db.session.execute(role.where(UserRole.role == 'admin'))

        assert not identify(made['key']).has_permission('users:read')

    @pytest.mark.parametrize('end', ['deleted', 'disabled', 'gone', 'expired'])
    def test_is_rejected_once_it_is(self, asker, end):
        made = make(asker, expires_at=now() + timedelta(days=1))
        moment = now()
        if end == 'deleted':
            delete_key(asker.user_id, made['id'])
        elif end == 'disabled':
            users.disable_user(asker.user_id)
        elif end == 'gone':
            users.delete_user(asker.user_id)
        else:
            moment += timedelta(days=1)

        with time_machine.travel(moment):
            assert identify(made['key']) is None

    def test_rejects_a_typing_error_without_a_query(self, asker, assert_max_queries):
        key = make(asker)['key']
        typed = key[:20] + ('a' if key[20] != 'a' else 'b') + key[21:]

        with assert_max_queries(0):
            assert identify(typed) is None

    def test_notes_the_use_at_most_once_a_minute(self, asker, assert_max_queries):
        made = make(asker)
        with time_machine.travel(now(), tick=False) as clock:
            identify(made['key'])
            with assert_max_queries(1):
                identify(made['key'])
            clock.shift(61)
            with assert_max_queries(2) as ran:
                identify(made['key'])

        assert len(ran) == 2


class TestListKeys:
    def test_shows_ones_own(self, asker):
        make(principal_of(UserFactory()))
        made = make(asker)

        [shown] = list_keys(asker, PageRequest()).items

        assert shown.id == made['id']


class TestDeleteKey:
    def test_rejects_those_of_others_like_unknown_ones(self, asker):
        """ASVS 8.2.2."""
        theirs = make(principal_of(UserFactory()))

        for key_id in (theirs['id'], asker.session_id or theirs['id']):
            with pytest.raises(KeyNotFound):
                delete_key(asker.user_id, key_id)
        assert identify(theirs['key'])
