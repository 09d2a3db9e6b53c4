"""Service: identify, list and end sessions, and unlock accounts."""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from project.auth.errors import AccountDisabled, EmailNotVerified, SessionNotFound, WrongCredentials
from project.auth.models import Device, Session
from project.auth.service import (
    end_current_session,
    end_other_sessions,
    end_session,
    end_sessions_of,
    identify,
    list_sessions,
    list_sessions_of,
    log_in,
    request_email_change,
    unlock,
    unlock_network,
)
from project.auth.service.attempt_counters import (
    EMAIL_CHANGED,
    INVITATION,
    LOGIN_DEVICE,
    LOGIN_NAME,
    NOTICE_MAIL,
    OTP_ACCOUNT,
    OTP_DEVICE,
    OTP_NEW_DEVICE,
    OTP_SESSION,
    PIN_MAIL,
    PIN_NETWORK,
    REGISTRATION,
    SECOND_FACTOR_MAIL,
    SESSION_PASSWORD,
    account_target,
    mail_target,
)
from project.core.clock import now
from project.core.database.keyset_pagination import PageRequest
from project.core.database.session import db
from project.core.security.tokens import new_token, token_hash
from project.core.throttling import ThrottleCounter, TooManyAttempts, attempt_counters
from project.users import service as users
from project.users.errors import UserNotFound
from project.users.models import permissions_of
from tests.auth.factories import PASSWORD, SessionFactory, account
from tests.kit.tasks import run_pending_tasks
from tests.users.factories import AdminFactory, UserFactory, principal_of

CHANGE = {'current_password': PASSWORD, 'new_password': 'Difference engine, 1822'}


def attempt(login, password='wrong'):
    """Try to log in, by default with a wrong password; return the session or the error."""
    try:
        return log_in(user_or_email=login, password=password)
    except (WrongCredentials, TooManyAttempts, EmailNotVerified, AccountDisabled) as error:
        return error


class TestIdentify:
    def test_returns_the_user_and_their_permissions(self, queries):
        token, user = new_token('pst'), AdminFactory()
        session = SessionFactory(token=token, user=user)

        with queries(max=1):
            principal = identify(token)

        assert (principal.user_id, principal.username) == (user.id, user.username)
        assert principal.session_id == session.id
        assert principal.authenticated_at == session.authenticated_at
        assert principal.permissions == permissions_of(['admin'])
        assert principal.scopes is None

    @pytest.mark.parametrize('position', [0, 4, 20, 46, 47, 52])
    def test_rejects_a_typing_error_without_a_query(self, queries, position):
        token = new_token('pst')
        SessionFactory(token=token)
        wrong = token[:position] + ('x' if token[position] != 'x' else 'y') + token[position + 1 :]

        with queries(max=0):
            assert identify(wrong) is None

    @pytest.mark.parametrize(
        'token', ['', 'pst_', 'x', 'pst_' + 'x' * 49, '\N{SNOWMAN}', 'x' * 9999]
    )
    def test_rejects_a_malformed_token_without_a_query(self, queries, token):
        with queries(max=0):
            assert identify(token) is None

    @pytest.mark.parametrize('kind', ['prt', 'pdv'])
    def test_rejects_tokens_of_other_kinds_without_a_query(self, queries, kind):
        token = new_token(kind)
        SessionFactory(token=token)

        with queries(max=0):
            assert identify(token) is None

    def test_rejects_an_unknown_token(self):
        assert identify(new_token('pst')) is None

    def test_rejects_an_expired_token(self, travel):
        token, start = new_token('pst'), now()
        SessionFactory(token=token, expires_at=start + timedelta(hours=1))

        with travel(to=start + timedelta(minutes=59)):
            assert identify(token)
        with travel(to=start + timedelta(hours=1, seconds=1)):
            assert identify(token) is None

    def test_rejects_the_token_of_a_disabled_user(self):
        token = new_token('pst')
        SessionFactory(token=token, user=UserFactory(disabled=True))

        assert identify(token) is None

    def test_stores_the_time_of_use_at_most_once_a_minute(self, queries, travel):
        token, start = new_token('pst'), now()
        SessionFactory(token=token, last_used_at=start)

        with travel(to=start + timedelta(seconds=59)), queries(max=1):
            identify(token)
        later = start + timedelta(seconds=61)
        with travel(to=later), queries(max=2) as statements:
            identify(token)
            assert len(statements) == 2
        with travel(to=later + timedelta(seconds=30)), queries(max=1):
            identify(token)

        assert db.session.scalars(db.select(Session.last_used_at)).one() == later


class TestListSessions:
    def test_returns_live_sessions_newest_first(self):
        user, moment = UserFactory(), now()
        old = SessionFactory(user=user, created_at=moment - timedelta(days=2))
        new = SessionFactory(user=user, created_at=moment - timedelta(days=1))
        SessionFactory(user=user, expired=True)
        SessionFactory()

        page = list_sessions(principal_of(user, session_id=old.id), PageRequest())

        assert [(row.id, bool(row.current)) for row in page.items] == [
            (new.id, False),
            (old.id, True),
        ]

    @pytest.mark.parametrize('sort', ['created_at', '-created_at', 'last_used_at', '-last_used_at'])
    def test_returns_pages_without_repetitions_or_gaps(self, sort):
        user, moment = UserFactory(), now()
        for minutes in (1, 1, 2, 3, 3):
            then = moment - timedelta(minutes=minutes)
            SessionFactory(user=user, created_at=then, last_used_at=then)
        asker, walked, cursor = principal_of(user), [], None

        for _ in range(3):
            page = list_sessions(asker, PageRequest(limit=2, cursor=cursor, sort=sort))
            walked += [row.id for row in page.items]
            cursor = page.next

        assert cursor is None
        assert walked == [row.id for row in list_sessions(asker, PageRequest(sort=sort)).items]
        assert len(set(walked)) == 5


class TestListSessionsOf:
    def test_yields_all_sessions_newest_first(self):
        user, moment = UserFactory(), now()
        expected = [
            SessionFactory(user=user, created_at=moment - timedelta(minutes=number // 2)).id
            for number in range(201)
        ]
        SessionFactory()

        found = list(list_sessions_of(user.id))

        assert {row.id for row in found} == set(expected)
        assert len(found) == 201
        assert found == sorted(found, key=lambda row: row.created_at, reverse=True)
        assert not any(row.current for row in found)


class TestEndSession:
    def test_ends_the_given_session(self):
        token, user = new_token('pst'), UserFactory()
        session, other = SessionFactory(token=token, user=user), SessionFactory(user=user)

        end_session(user.id, session.id)

        assert identify(token) is None
        assert db.session.scalars(db.select(Session.id)).all() == [other.id]

    def test_rejects_foreign_and_unknown_sessions(self):
        session = SessionFactory()

        with pytest.raises(SessionNotFound):
            end_session(UserFactory().id, session.id)
        with pytest.raises(SessionNotFound):
            end_session(session.user_id, uuid4())

        assert db.session.scalars(db.select(Session.id)).all() == [session.id]


class TestEndCurrentSession:
    def test_ends_the_session_of_the_principal(self):
        user = UserFactory()
        mine, other = SessionFactory(user=user), SessionFactory(user=user)

        end_current_session(principal_of(user, session_id=mine.id))

        assert db.session.scalars(db.select(Session.id)).all() == [other.id]

    def test_rejects_a_principal_without_a_session(self):
        with pytest.raises(SessionNotFound):
            end_current_session(principal_of(UserFactory(), session_id=None))


class TestEndOtherSessions:
    def test_keeps_the_current_session_and_those_of_other_users(self):
        user = UserFactory()
        mine, foreign = SessionFactory(user=user), SessionFactory()
        SessionFactory.create_batch(2, user=user)

        end_other_sessions(principal_of(user, session_id=mine.id))

        assert set(db.session.scalars(db.select(Session.id))) == {mine.id, foreign.id}


class TestEndSessionsOf:
    def test_ends_all_sessions_and_returns_their_number(self):
        user, foreign = UserFactory(), SessionFactory()
        SessionFactory.create_batch(2, user=user)

        assert end_sessions_of(user.id) == 2
        assert end_sessions_of(user.id) == 0
        assert db.session.scalars(db.select(Session.id)).all() == [foreign.id]


class TestUnlock:
    @pytest.mark.parametrize('login', ['ada', 'ADA@example.com'])
    def test_allows_the_right_password_again(self, login):
        account(username='ada', email='ada@example.com')
        for _ in range(10):
            attempt('ada')

        assert unlock(login) == ['login-name']
        assert log_in(user_or_email='ada', password=PASSWORD)

    def test_resets_all_counters_of_a_user(self):
        user = account(username='ada', email='ada@example.com')
        opened = log_in(user_or_email='ada', password=PASSWORD)
        device_id = Device.find_live(user.id, token_hash(opened.device)).id
        request_email_change(principal_of(user), 'new@example.com')
        owner, session = account_target(user.id), f'session:{opened.session["id"]}'
        for counter, target in (
            (LOGIN_DEVICE, str(device_id)), (OTP_DEVICE, str(device_id)), (OTP_ACCOUNT, owner),
            (SESSION_PASSWORD, session), (OTP_SESSION, session), (SECOND_FACTOR_MAIL, owner),
            (LOGIN_NAME, 'ada'), (LOGIN_NAME, 'ada@example.com'), (INVITATION, 'ada@example.com'),
            (REGISTRATION, 'ada@example.com'), (OTP_NEW_DEVICE, owner),
            (NOTICE_MAIL, mail_target(EMAIL_CHANGED, 'ada@example.com')),
            (PIN_MAIL, mail_target('email-change', 'new@example.com')),
        ):  # fmt: skip
            counter.consume(target)

        without_user = {'link', 'pin-network'}
        assert set(unlock('ada')) == {c.name for c in attempt_counters()} - without_user
        assert db.session.scalar(select(func.sum(ThrottleCounter.attempts))) is None

    def test_resets_the_counters_of_an_email_address_without_a_user(self):
        REGISTRATION.consume('ada@example.com')

        assert unlock('Ada@example.com') == ['registration']

    def test_returns_nothing_if_nothing_was_counted(self):
        UserFactory(username='ada')

        assert unlock('ada') == []

    def test_rejects_an_unknown_user(self):
        with pytest.raises(UserNotFound):
            unlock('nobody')


class TestUnlockNetwork:
    def test_resets_the_counter_of_the_given_network_only(self):
        for network in ('192.0.2.0/24', '198.51.100.0/24'):
            PIN_NETWORK.consume(network)

        assert unlock_network('192.0.2.7') == ['pin-network']
        assert unlock_network('192.0.2.7') == []
        assert PIN_NETWORK.count_of('198.51.100.0/24') == 1


class TestEndSessionsOfInactiveUser:
    @pytest.mark.parametrize('deactivate', [users.disable_user, users.delete_user])
    def test_ends_all_sessions_of_a_disabled_or_deleted_user(self, app, deactivate):
        token, foreign = new_token('pst'), SessionFactory()
        session = SessionFactory(token=token)

        deactivate(session.user_id)

        assert identify(token) is None
        run_pending_tasks(app)
        assert db.session.scalars(db.select(Session.id)).all() == [foreign.id]

    def test_keeps_sessions_ended_when_the_user_is_enabled(self):
        token = new_token('pst')
        session = SessionFactory(token=token)
        users.disable_user(session.user_id)

        users.enable_user(session.user_id)

        assert identify(token) is None
