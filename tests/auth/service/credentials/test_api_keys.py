"""Service: create, list, identify and delete API keys."""

from datetime import timedelta

import pytest
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
from tests.concurrency import run_concurrently, separate_app
from tests.users.factories import AdminFactory, UserFactory, principal_of


@pytest.fixture
def owner():
    """Return the user who owns the API keys."""
    return principal_of(account(username='ada'))


def create(owner, **changes):
    """Create an API key, by default with the scope `profile:read`."""
    return create_key(owner, **{'name': 'Nightly', 'scopes': ['profile:read'], **changes})


class TestCreateKey:
    def test_returns_the_key_and_stores_only_its_hash(self, owner):
        made = create(owner)

        assert kind_of(made['key']) == 'pak'
        assert made['key'].startswith(made['hint'])
        stored = db.session.scalars(select(ApiKey)).one()
        assert stored.token_hash == token_hash(made['key'])
        assert made['key'] not in repr(vars(stored))

    def test_sends_a_notice_and_records_the_creation(self, owner, mailbox):
        """ASVS 6.3.7 requires a notice after a change of credentials."""
        create(owner)

        [mail] = mailbox()
        assert mail['Subject'] == 'A new API key'
        assert 'profile:read' in mail.text
        assert 'key_created' in db.session.scalars(select(Event.event_type)).all()

    @pytest.mark.parametrize(
        ('changes', 'error'),
        [
            ({'scopes': ['profile:fly']}, ScopeUnknown),
            ({'scopes': ['users:read']}, PrivilegeEscalation),
            ({'expires_at': now() - timedelta(seconds=1)}, ExpiryPast),
        ],
    )
    def test_rejects(self, owner, changes, error):
        with pytest.raises(error):
            create(owner, **changes)

        assert db.session.scalars(select(ApiKey)).all() == []

    def test_accepts_the_permissions_of_an_admin_as_scopes(self):
        assert create(principal_of(AdminFactory()), scopes=['users:read', 'users:invite'])

    def test_rejects_more_than_fifty_keys(self, owner):
        for _ in range(MAX_API_KEYS_PER_USER):
            create(owner)

        with pytest.raises(TooManyKeys):
            create(owner)

    def test_rejects_more_than_fifty_keys_of_concurrent_calls(self, tmp_path):
        with separate_app(tmp_path) as app:
            owner = principal_of(account())
            for _ in range(MAX_API_KEYS_PER_USER - 2):
                create(owner)

            found = run_concurrently(app, *[lambda: create(owner)] * 5)

            assert [type(f) for f in found].count(TooManyKeys) == 3


class TestRemindOfKey:
    def test_sends_a_mail_a_week_before_the_expiry(self, owner, mailbox, travel):
        """ASVS 6.4.5 requires a reminder before a credential expires."""
        create(owner, expires_at=now() + timedelta(days=30))
        assert len(mailbox()) == 1

        travel(days=23, seconds=1)

        assert [mail['Subject'] for mail in mailbox()][1:] == ['An API key will expire soon']

    def test_sends_no_mail_about_a_deleted_key(self, owner, mailbox, travel):
        made = create(owner, expires_at=now() + timedelta(days=30))
        delete_key(owner.user_id, made['id'])
        travel(days=23, seconds=1)

        assert [mail['Subject'] for mail in mailbox()] == ['A new API key']


class TestIdentifyKey:
    def test_returns_the_owner_limited_to_the_scopes(self, owner, queries):
        made = create(owner, scopes=['profile:read', 'profile:write'])
        identify(made['key'])

        with queries(max=1):
            found = identify(made['key'])

        assert found.user_id == owner.user_id
        assert found.scopes == {'profile:read', 'profile:write'}
        assert found.has_permission('profile:read')
        assert not found.has_permission('users:read')

    def test_returns_a_principal_without_a_session_or_fresh_login(self, owner):
        found = identify(create(owner)['key'])

        assert not found.is_fresh()
        assert found.session_id is None

    def test_limits_a_key_to_the_current_permissions_of_its_owner(self):
        """ASVS 8.3.2: a change of permissions applies immediately."""
        admin = AdminFactory()
        AdminFactory()
        made = create(principal_of(admin), scopes=['users:read'])
        assert identify(made['key']).has_permission('users:read')

        with atomic():
            role = UserRole.__table__.delete().where(UserRole.user_id == admin.id)
            db.session.execute(role.where(UserRole.role == 'admin'))

        assert not identify(made['key']).has_permission('users:read')

    @pytest.mark.parametrize('end', ['deleted', 'disabled', 'gone', 'expired'])
    def test_rejects_a_key_that_is_or_whose_owner_is(self, owner, end, travel):
        made = create(owner, expires_at=now() + timedelta(days=1))
        moment = now()
        if end == 'deleted':
            delete_key(owner.user_id, made['id'])
        elif end == 'disabled':
            users.disable_user(owner.user_id)
        elif end == 'gone':
            users.delete_user(owner.user_id)
        else:
            moment += timedelta(days=1)

        with travel(to=moment):
            assert identify(made['key']) is None

    def test_rejects_a_typing_error_without_a_query(self, owner, queries):
        key = create(owner)['key']
        typed = key[:20] + ('a' if key[20] != 'a' else 'b') + key[21:]

        with queries(max=0):
            assert identify(typed) is None

    def test_stores_the_time_of_use_at_most_once_a_minute(self, owner, queries, travel):
        made = create(owner)
        identify(made['key'])
        with queries(max=1):
            identify(made['key'])
        travel(seconds=61)
        with queries(max=2) as ran:
            identify(made['key'])

        assert len(ran) == 2


class TestListKeys:
    def test_returns_the_keys_of_the_owner_only(self, owner):
        create(principal_of(UserFactory()))
        made = create(owner)

        [shown] = list_keys(owner, PageRequest()).items

        assert shown.id == made['id']


class TestDeleteKey:
    def test_raises_the_same_for_foreign_and_unknown_keys(self, owner):
        """ASVS 8.2.2: callers cannot reach keys of other users, nor learn that they exist."""
        foreign = create(principal_of(UserFactory()))

        for key_id in (foreign['id'], owner.session_id or foreign['id']):
            with pytest.raises(KeyNotFound):
                delete_key(owner.user_id, key_id)
        assert identify(foreign['key'])
