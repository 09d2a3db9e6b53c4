"""Service: check new passwords and change passwords."""

import pytest

from project.auth.errors import PasswordTooWeak, WrongCredentials, WrongPassword
from project.auth.models import Credential, Event, Session
from project.auth.service import log_in
from project.auth.service.credentials import passwords
from project.auth.service.credentials.passwords import change_password, check_new_password
from project.core.database.session import atomic, db
from project.core.security.password_hashing import hash_password, verify_password
from project.core.throttling import TooManyAttempts
from tests.auth.factories import PASSWORD, SessionFactory, account
from tests.auth.service.recorded_events import events
from tests.concurrency import run_concurrently, separate_app
from tests.users.factories import UserFactory, principal_of

NEW = 'Difference engine, 1822'


class TestCheckNewPassword:
    @pytest.mark.parametrize(
        'password',
        [
            PASSWORD, 'kvqzmwpt', 'KVQZMWPT', ' ' * 7 + '\N{SNOWMAN}' + ' ' * 8, '40718263951',
            'lovelace and the engine', 'correct horse battery',
        ],
    )  # fmt: skip
    def test_accepts_any_composition(self, password):
        check_new_password(password, words=['ada', 'ada@example.com'])

    @pytest.mark.parametrize(
        'password',
        [
            'password',
            'PASSWORD',
            'trustno1',
            'P@ssw0rd1',
            'Password123!',
            'Summer2023',
            'abcd' * 32,
        ],
    )  # fmt: skip
    def test_rejects_a_guessable_password(self, password):
        with pytest.raises(PasswordTooWeak) as error:
            check_new_password(password, words=[])

        assert error.value.data == {'password': [PasswordTooWeak.reason]}

    @pytest.mark.parametrize(
        'password',
        [
            'lovelace', 'Lovelace', 'LOVELACE1', '1lovelace!', 'lovelacelovelace',
            'countess@example.com', 'Countess@Example.com1', 'countess', 'countess42', 'flaskflask',
            'flask-flask',
        ],
    )  # fmt: skip
    def test_rejects_the_username_email_address_or_service_name(self, password):
        with pytest.raises(PasswordTooWeak):
            check_new_password(
                password.ljust(8, '!')[:128], words=['lovelace', 'countess@example.com']
            )

    @pytest.mark.parametrize('word', ['zqkvxwpj', 'zqkvxwpj@example.com', 'ada@zqkvxwpj.test'])
    def test_rejects_combinations_of_a_word_of_the_user(self, word):
        check_new_password('zqkvxwpj-2023', words=['ada'])

        with pytest.raises(PasswordTooWeak):
            check_new_password('zqkvxwpj-2023', words=[word])

    @pytest.mark.parametrize('password', ['', 'x', 'zqk93v7', '\N{SNOWMAN}' * 7])
    def test_rejects_a_short_password(self, password):
        with pytest.raises(PasswordTooWeak) as error:
            check_new_password(password, words=[])

        assert error.value.data == {'password': ['8 to 128 characters']}

    def test_counts_characters_after_normalization(self):
        check_new_password('zqk93v7\N{LATIN SMALL LETTER E WITH ACUTE}', words=[])

        with pytest.raises(PasswordTooWeak):
            check_new_password('zqk93ve\N{COMBINING ACUTE ACCENT}', words=[])

    def test_rejects_a_long_password(self):
        check_new_password('zqk93v7x' * 16, words=[])

        with pytest.raises(PasswordTooWeak):
            check_new_password('zqk93v7x' * 16 + 'z', words=[])

    def test_raises_for_the_given_field(self):
        with pytest.raises(PasswordTooWeak) as error:
            check_new_password('password', words=[], field='new_password')

        assert set(error.value.data) == {'new_password'}


class TestChangePassword:
    def test_replaces_the_hash_and_records_the_change(self):
        user = account()

        change_password(principal_of(user), current_password=PASSWORD, new_password=NEW)

        stored = Credential.find_hash(user.id)
        assert verify_password(stored, NEW)
        assert not verify_password(stored, PASSWORD)
        assert events() == [('password_changed', 'operator', {'sessions': 0})]

    def test_ends_all_sessions_except_the_current_one(self):
        user = account()
        mine, other, foreign = (
            SessionFactory(user=user),
            SessionFactory(user=user),
            SessionFactory(),
        )

        change_password(
            principal_of(user, session_id=mine.id), current_password=PASSWORD, new_password=NEW
        )

        remaining = set(db.session.scalars(db.select(Session.id)))
        assert remaining == {mine.id, foreign.id}
        assert other.id not in remaining

    def test_sends_a_mail_with_the_ended_sessions(self, mailbox):
        user = account(email='ada@example.com')
        SessionFactory(user=user, user_agent='browser/1', ip_address='192.0.2.1')
        SessionFactory(user=user, user_agent='', ip_address='')

        change_password(principal_of(user), current_password=PASSWORD, new_password=NEW)

        [mail] = mailbox()
        assert (mail['To'], mail['Subject']) == ('ada@example.com', 'Your password was changed')
        assert '- ended: browser/1 at 192.0.2.1' in mail.text
        assert '- ended: unknown program at unknown address' in mail.text
        assert 'No other session' not in mail.text

    def test_sends_a_mail_if_no_other_session_was_open(self, mailbox):
        user = account()
        mine = SessionFactory(user=user)

        change_password(
            principal_of(user, session_id=mine.id), current_password=PASSWORD, new_password=NEW
        )

        [mail] = mailbox()
        assert 'No other session was open.' in mail.text
        assert 'ended' not in mail.text

    def test_rejects_a_wrong_current_password(self, mailbox):
        user = account()
        SessionFactory(user=user)

        with pytest.raises(WrongPassword):
            change_password(principal_of(user), current_password='wrong', new_password=NEW)

        assert verify_password(Credential.find_hash(user.id), PASSWORD)
        assert mailbox() == []
        event = db.session.scalars(db.select(Event)).one()
        assert (event.event_type, event.outcome, event.user_id) == (
            'password_changed', 'failure', user.id,
        )  # fmt: skip

    def test_rejects_a_change_if_another_one_was_committed_first(self, monkeypatch, mailbox):
        user, attackers_session = account(), SessionFactory()

        def interrupted(password):
            monkeypatch.setattr(passwords, 'hash_password', hash_password)
            change_password(principal_of(user), current_password=PASSWORD, new_password=NEW)
            return hash_password(password)

        monkeypatch.setattr(passwords, 'hash_password', interrupted)
        with pytest.raises(WrongPassword):
            change_password(
                principal_of(user, session_id=attackers_session.id),
                current_password=PASSWORD,
                new_password='The one of an attacker',
            )

        assert verify_password(Credential.find_hash(user.id), NEW)
        assert len(mailbox()) == 1

    def test_accepts_one_of_concurrent_changes(self, tmp_path):
        with separate_app(tmp_path) as app:
            user = account()
            asker, new_passwords = principal_of(user), [f'Difference engine, {n}' for n in range(4)]

            def one(new):
                return change_password(asker, current_password=PASSWORD, new_password=new)

            results = run_concurrently(app, *(lambda new=new: one(new) for new in new_passwords))

            assert [type(result) for result in results].count(WrongPassword) == 3
            stored = Credential.find_hash(user.id)
            assert verify_password(stored, new_passwords[results.index(None)])

    def test_rejects_a_user_without_a_password(self):
        with pytest.raises(WrongPassword):
            change_password(principal_of(UserFactory()), current_password='', new_password=NEW)

    def test_rejects_the_right_password_after_ten_wrong_ones(self):
        asker = principal_of(account())
        for _ in range(10):
            with pytest.raises(WrongPassword):
                change_password(asker, current_password='wrong', new_password=NEW)

        with pytest.raises(TooManyAttempts):
            change_password(asker, current_password=PASSWORD, new_password=NEW)

    def test_ignores_the_login_attempts_of_strangers(self):
        user = account()
        asker = principal_of(user, session_id=SessionFactory(user=user).id)
        for _ in range(10):
            with pytest.raises(WrongCredentials):
                log_in(user_or_email=user.username, password='wrong')

        change_password(asker, current_password=PASSWORD, new_password=NEW)

    def test_ignores_the_attempts_of_another_session(self):
        user = account()
        mine, stolen = (
            principal_of(user, session_id=SessionFactory(user=user).id) for _ in range(2)
        )
        for _ in range(10):
            with pytest.raises(WrongPassword):
                change_password(stolen, current_password='wrong', new_password=NEW)

        change_password(mine, current_password=PASSWORD, new_password=NEW)

    def test_does_not_count_right_passwords(self):
        asker = principal_of(account())

        for _ in range(11):
            with pytest.raises(PasswordTooWeak):
                change_password(asker, current_password=PASSWORD, new_password='password')

    @pytest.mark.parametrize(
        'password', ['password', 'lovelace', 'countess@example.com', 'flaskflask']
    )
    def test_rejects_a_weak_new_password(self, password):
        user = account(username='lovelace', email='countess@example.com')

        with pytest.raises(PasswordTooWeak) as error:
            change_password(principal_of(user), current_password=PASSWORD, new_password=password)

        assert set(error.value.data) == {'new_password'}
        assert verify_password(Credential.find_hash(user.id), PASSWORD)

    def test_raises_inside_a_transaction(self):
        asker = principal_of(account())

        with atomic(), pytest.raises(RuntimeError, match='commits by itself'):
            change_password(asker, current_password=PASSWORD, new_password=NEW)
