"""Service: log in and reauthenticate."""

import hashlib
import json
from datetime import timedelta

import pytest
from argon2 import PasswordHasher, extract_parameters
from sqlalchemy import select

from project.auth.errors import (
    AccountDisabled,
    EmailNotVerified,
    SessionNotFound,
    WrongCredentials,
    WrongRefreshToken,
)
from project.auth.models import Credential, Event, Session
from project.auth.service import (
    change_password,
    end_session,
    identify,
    log_in,
    reauthenticate,
    refresh_session,
)
from project.core.clock import now
from project.core.database.session import atomic, db
from project.core.security.tokens import new_token
from project.core.throttling import TooManyAttempts
from project.users import service as users
from tests.auth.factories import PASSWORD, RegistrationFactory, account
from tests.concurrency import run_concurrently, separate_app
from tests.users.factories import UserFactory, principal_of

CHANGE = {'current_password': PASSWORD, 'new_password': 'Difference engine, 1822'}


def attempt(login, password='wrong', device=None):
    """Try to log in, by default with a wrong password; return the session or the error."""
    try:
        return log_in(user_or_email=login, password=password, device=device)
    except (WrongCredentials, TooManyAttempts, EmailNotVerified, AccountDisabled) as error:
        return error


class TestLogIn:
    @pytest.mark.parametrize(
        'login',
        [
            'ada', 'ADA', 'ada@example.com', 'Ada@EXAMPLE.com',
            '\N{FULLWIDTH LATIN SMALL LETTER A}da@example.com',
        ],
    )  # fmt: skip
    def test_opens_a_session_by_username_and_by_email_address(self, login):
        user = account(username='ada', email='ada@example.com')

        opened = log_in(user_or_email=login, password=PASSWORD)

        assert opened.user.id == user.id
        assert identify(opened.token).user_id == user.id

    def test_returns_a_token_and_stores_only_its_hash(self):
        user = account()

        opened = log_in(user_or_email=user.username, password=PASSWORD)

        assert opened.token.startswith('pst_')
        assert len(opened.token) == 4 + 43 + 6
        [stored] = db.session.scalars(db.select(Session.token_hash))
        assert stored == hashlib.sha256(opened.token.encode()).hexdigest()

    def test_returns_a_new_token_for_each_login(self):
        user = account()

        one, other = (log_in(user_or_email=user.username, password=PASSWORD) for _ in range(2))

        assert one.token != other.token
        assert identify(one.token).session_id != identify(other.token).session_id

    @pytest.mark.usefixtures('travel')
    def test_returns_a_token_with_the_configured_lifetime(self, app, monkeypatch):
        monkeypatch.setitem(app.config, 'AUTH_TOKEN_LIFETIME', timedelta(minutes=5))
        user = account()

        opened = log_in(user_or_email=user.username, password=PASSWORD)
        assert opened.expires_at == now() + timedelta(minutes=5)

    def test_stores_the_time_of_the_last_login(self):
        user = account()

        log_in(user_or_email=user.username, password=PASSWORD)

        assert users.get_profile(user.username).last_login is not None

    @pytest.mark.parametrize(
        'login', ['ada', 'ada@example.com', 'nobody', 'nobody@example.com', '']
    )
    def test_raises_the_same_for_known_and_unknown_users(self, login):
        account(username='ada', email='ada@example.com')

        error = attempt(login)

        assert type(error) is WrongCredentials
        assert error.data == {'credentials': ['Wrong username, email address or password']}

    def test_rejects_a_user_without_a_password(self):
        UserFactory(username='ada')

        assert type(attempt('ada', '')) is WrongCredentials

    def test_hashes_and_queries_the_same_for_known_and_unknown_users(self, queries, argon2_calls):
        account(username='ada')
        RegistrationFactory(username='bob')
        UserFactory(username='cyd')
        account(username='dan', disabled=True)
        ran, hashed = {}, {}

        for login in ('ada', 'bob', 'cyd', 'dan', 'nobody'):
            with queries(max=20) as ran[login], argon2_calls() as hashed[login]:
                assert type(attempt(login)) is WrongCredentials

        assert all(work == ['verify'] for work in hashed.values())
        assert all(statements == ran['nobody'] for statements in ran.values())

    def test_hashes_at_the_stored_cost_for_known_and_unknown_users(self, app, monkeypatch):
        account(username='ada')
        UserFactory(username='bob')
        older = app.config['AUTH_HASH_ROUNDS']
        monkeypatch.setitem(app.config, 'AUTH_HASH_ROUNDS', older + 1)
        rounds, verify = [], PasswordHasher.verify
        monkeypatch.setattr(
            PasswordHasher,
            'verify',
            lambda *args: rounds.append(extract_parameters(args[1]).time_cost) or verify(*args),
        )

        for name in ('ada', 'bob', 'nobody', 'nobody@example.com', 'ada', 'nobody'):
            attempt(name)

        assert rounds == [older] * 6

    def test_reveals_a_pending_registration_only_with_its_password(self):
        RegistrationFactory(username='ada')

        assert type(attempt('Ada', PASSWORD)) is EmailNotVerified
        assert type(attempt('ada')) is WrongCredentials
        assert type(attempt('ada@example.com', PASSWORD)) is WrongCredentials

    def test_reveals_a_disabled_account_only_with_its_password(self):
        account(username='ada', disabled=True)

        assert type(attempt('ada', PASSWORD)) is AccountDisabled
        assert type(attempt('ada')) is WrongCredentials
        assert db.session.scalars(db.select(Session.id)).all() == []

    def test_rejects_the_right_password_after_ten_wrong_ones(self):
        account(username='ada')
        for _ in range(10):
            assert type(attempt('ada')) is WrongCredentials

        assert type(attempt('ada', PASSWORD)) is TooManyAttempts

    def test_accepts_the_right_password_after_nine_wrong_ones(self):
        account(username='ada')
        for _ in range(9):
            attempt('ada')

        assert log_in(user_or_email='ada', password=PASSWORD)
        assert log_in(user_or_email='ada', password=PASSWORD)

    def test_does_not_hash_after_too_many_attempts(self, argon2_calls):
        account(username='ada')
        for _ in range(10):
            attempt('ada')

        with argon2_calls() as done:
            assert type(attempt('ada')) is TooManyAttempts

        assert done == []

    def test_returns_the_exact_time_of_the_next_attempt(self, travel):
        account(username='ada')
        start = now()
        with travel(to=start):
            attempt('ada')
        with travel(to=start + timedelta(minutes=5)):
            for _ in range(9):
                attempt('ada')
            seconds = int(attempt('ada', PASSWORD).headers['Retry-After'])
        again = start + timedelta(minutes=5, seconds=seconds)

        with travel(to=again - timedelta(seconds=2)):
            assert type(attempt('ada', PASSWORD)) is TooManyAttempts
        with travel(to=again):
            assert log_in(user_or_email='ada', password=PASSWORD)

        assert 600 <= seconds <= 601

    @pytest.mark.parametrize(
        'spellings',
        [
            ['ada', 'ADA', 'Ada', 'aDa', 'adA'],
            [
                'ada@example.com', 'ADA@example.com', 'ada@EXAMPLE.COM', 'Ada@Example.Com',
                '\N{FULLWIDTH LATIN SMALL LETTER A}da@example.com',
            ],
        ],
    )  # fmt: skip
    def test_counts_all_spellings_of_a_login_together(self, spellings):
        account(username='ada', email='ada@example.com')
        for login in spellings * 2:
            assert type(attempt(login)) is WrongCredentials

        assert type(attempt(spellings[0], PASSWORD)) is TooManyAttempts

    @pytest.mark.parametrize('exists', [True, False])
    def test_does_not_show_which_email_address_belongs_to_a_username(self, exists):
        if exists:
            account(username='ada', email='ada@example.com')
        for _ in range(9):
            attempt('ada@example.com')

        found = [type(attempt('ada')) for _ in range(11)]

        assert found == [WrongCredentials] * 10 + [TooManyAttempts]
        assert type(attempt('ada@example.com')) is WrongCredentials

    def test_counts_attempts_at_an_unknown_user(self):
        for login in ['ghost', 'GHOST'] * 5:
            assert type(attempt(login)) is WrongCredentials

        assert type(attempt('Ghost')) is TooManyAttempts
        assert type(attempt('spectre')) is WrongCredentials

    def test_counts_attempts_at_a_pending_registration(self):
        RegistrationFactory(username='ada')
        for _ in range(10):
            attempt('ADA')

        assert type(attempt('ada', PASSWORD)) is TooManyAttempts

    def test_keeps_the_counter_after_a_login_of_another_user(self):
        account(username='ada')
        account(username='mallory')
        for _ in range(10):
            attempt('ada')
            log_in(user_or_email='mallory', password=PASSWORD)

        assert type(attempt('ada', PASSWORD)) is TooManyAttempts

    def test_keeps_the_counter_after_a_login(self):
        account(username='ada')
        for _ in range(5):
            attempt('ada')
        log_in(user_or_email='ada', password=PASSWORD)
        for _ in range(5):
            attempt('ada')

        assert type(attempt('ada', PASSWORD)) is TooManyAttempts

    @pytest.mark.parametrize(
        ('change', 'error'),
        [
            (lambda user: change_password(principal_of(user), **CHANGE), WrongCredentials),
            (lambda user: users.delete_user(user.id), WrongCredentials),
            (lambda user: users.disable_user(user.id), AccountDisabled),
        ],
        ids=['changed', 'deleted', 'disabled'],
    )
    def test_opens_no_session_if_the_user_changes_during_the_verification(
        self, monkeypatch, change, error
    ):
        user, verify = account(username='ada'), PasswordHasher.verify

        def slowly(*args):
            monkeypatch.setattr(PasswordHasher, 'verify', verify)
            change(user)
            return verify(*args)

        monkeypatch.setattr(PasswordHasher, 'verify', slowly)

        assert type(attempt('ada', PASSWORD)) is error
        assert db.session.scalars(db.select(Session.id)).all() == []

    def test_verifies_ten_of_concurrent_attempts(self, tmp_path):
        with separate_app(tmp_path) as app:
            account(username='ada')

            def attempt_four_times():
                return [type(attempt('ada')) for _ in range(4)]

            results = [
                kind for kinds in run_concurrently(app, *[attempt_four_times] * 4) for kind in kinds
            ]

            assert results.count(WrongCredentials) == 10
            assert results.count(TooManyAttempts) == 6

    def test_raises_inside_a_transaction(self):
        with atomic(), pytest.raises(RuntimeError, match='commits by itself'):
            log_in(user_or_email='ada', password=PASSWORD)

    def test_replaces_a_hash_of_another_cost(self, app, monkeypatch):
        user = account()
        before = Credential.find_hash(user.id)
        monkeypatch.setitem(app.config, 'AUTH_HASH_MEMORY_KIB', 16)

        log_in(user_or_email=user.username, password=PASSWORD)

        after = Credential.find_hash(user.id)
        assert ('m=8,' in before, 'm=16,' in after) == (True, True)
        assert log_in(user_or_email=user.username, password=PASSWORD)

    def test_records_success_and_failure(self):
        user = account()
        attempt(user.username)
        opened = log_in(user_or_email=user.username, password=PASSWORD)
        attempt('nobody')

        events = db.session.scalars(select(Event).order_by(Event.created_at)).all()
        assert [(e.event_type, e.outcome, e.user_id) for e in events] == [
            ('login', 'failure', user.id), ('login', 'success', user.id),
            ('login', 'failure', None),
        ]  # fmt: skip
        assert json.loads(events[1].details)['session'] == str(opened.session['id'])

    @pytest.mark.usefixtures('travel')
    def test_stores_the_configured_absolute_expiry(self, app, monkeypatch):
        monkeypatch.setitem(app.config, 'AUTH_SESSION_LIFETIME', timedelta(days=9))
        user = account()

        log_in(user_or_email=user.username, password=PASSWORD)

        assert db.session.scalar(select(Session.absolute_expires_at)) == now() + timedelta(days=9)


class TestKnownDevice:
    """A known device has its own attempt counter.

    So attempts by strangers on other devices do not lock the user out.
    """

    def test_has_its_own_counter(self):
        user = account()
        known = log_in(user_or_email=user.username, password=PASSWORD).device
        for _ in range(10):
            attempt(user.username)

        assert isinstance(attempt(user.username, PASSWORD), TooManyAttempts)
        assert log_in(user_or_email=user.username, password=PASSWORD, device=known)

    def test_has_ten_attempts(self):
        user = account()
        known = log_in(user_or_email=user.username, password=PASSWORD).device
        for _ in range(10):
            attempt(user.username, device=known)

        assert isinstance(attempt(user.username, PASSWORD, device=known), TooManyAttempts)
        assert log_in(user_or_email=user.username, password=PASSWORD)

    @pytest.mark.parametrize('whose', ['of another', 'of nobody', 'over'])
    def test_has_no_counter_if_the_token_is(self, whose, travel):
        user, other = account(), account()
        known = {
            'of another': lambda: log_in(user_or_email=other.username, password=PASSWORD).device,
            'of nobody': lambda: new_token('pdv'),
            'over': lambda: log_in(user_or_email=user.username, password=PASSWORD).device,
        }[whose]()
        for _ in range(10):
            attempt(user.username)

        with travel(days=366 if whose == 'over' else 0):
            if whose == 'over':
                for _ in range(10):
                    attempt(user.username)
            assert isinstance(attempt(user.username, PASSWORD, device=known), TooManyAttempts)


class TestReauthenticate:
    @pytest.fixture
    def logged_in(self, travel):
        """Log a user in, 30 minutes ago; return the user, the session and its principal."""
        user = account()
        with travel(minutes=-30):
            opened = log_in(user_or_email=user.username, password=PASSWORD)
        return user, opened, identify(opened.token)

    def test_makes_the_session_fresh_and_replaces_the_tokens(self, logged_in):
        _, old, asker = logged_in
        assert not asker.is_fresh()

        new = reauthenticate(asker, password=PASSWORD)

        assert new.session['id'] == old.session['id']
        assert identify(new.token).is_fresh()
        assert identify(old.token) is None
        with pytest.raises(WrongRefreshToken):
            refresh_session(old.refresh_token)

    def test_ends_the_grace_period_of_an_earlier_refresh(self, logged_in):
        _, old, _ = logged_in
        renewed = refresh_session(old.refresh_token)

        reauthenticate(identify(renewed.token), password=PASSWORD)

        assert identify(old.token) is None
        with pytest.raises(WrongRefreshToken):
            refresh_session(old.refresh_token)

    def test_rejects_and_counts_a_wrong_password(self, logged_in):
        _, _, asker = logged_in
        for _ in range(10):
            with pytest.raises(WrongCredentials):
                reauthenticate(asker, password='wrong')

        with pytest.raises(TooManyAttempts):
            reauthenticate(asker, password=PASSWORD)

    def test_ignores_the_attempts_of_strangers(self, logged_in):
        user, _, asker = logged_in
        for _ in range(10):
            attempt(user.username)

        assert reauthenticate(asker, password=PASSWORD)

    def test_rejects_an_ended_session(self, logged_in):
        _, _, asker = logged_in
        end_session(asker.user_id, asker.session_id)

        with pytest.raises(SessionNotFound):
            reauthenticate(asker, password=PASSWORD)

    def test_rejects_a_principal_without_a_session(self, logged_in):
        user, _, _ = logged_in

        with pytest.raises(SessionNotFound):
            reauthenticate(principal_of(user, session_id=None), password=PASSWORD)
