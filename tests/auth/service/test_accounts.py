"""Service: register, verify and create accounts."""

import re
import secrets
from datetime import timedelta
from itertools import count

import pytest

from project.auth.errors import PasswordTooWeak, WrongCredentials, WrongPassword, WrongPin
from project.auth.models import Credential, Pin, Registration
from project.auth.service import (
    change_password,
    create_account,
    log_in,
    reauthenticate,
    register,
    request_reset,
    resend_verification,
    reset_password,
    verify_account,
)
from project.auth.service.accounts import send_verification
from project.auth.service.attempt_counters import ALREADY_REGISTERED, NOTICE_MAIL, mail_target
from project.core.clock import now
from project.core.database.session import atomic, db
from project.core.security.password_hashing import hash_password, verify_password
from project.core.tasks.inspection import list_tasks
from project.core.throttling import TooManyAttempts
from project.users import service as users
from project.users.errors import EmailTaken, UsernameInvalid, UsernameReserved, UsernameTaken
from project.users.models import User
from tests.auth.factories import PASSWORD, RegistrationFactory
from tests.auth.pins import other_than
from tests.auth.service.recorded_events import events
from tests.concurrency import mails_of, run_concurrently, separate_app
from tests.users.factories import UserFactory, principal_of

ADA = {'username': 'ada', 'email': 'ada@example.com', 'password': PASSWORD}
STRANGERS_PASSWORD = 'The password of a stranger'


class TestRegister:
    @pytest.mark.usefixtures('travel')
    def test_stores_a_registration_and_creates_no_user(self):
        register(**ADA, name='Ada')

        waiting = Registration.find_by_username('ada')
        assert (waiting.email, waiting.name) == ('ada@example.com', 'Ada')
        assert verify_password(waiting.password_hash, PASSWORD)
        assert waiting.expires_at - waiting.created_at == timedelta(hours=24)
        assert User.find_by_username('ada') is None

    def test_sends_a_pin_to_an_unknown_email_address(self, mailbox):
        register(**ADA)

        [mail] = mailbox()
        assert mail['To'] == 'ada@example.com'
        assert mail.code

    @pytest.mark.parametrize(
        ('username', 'name'),
        [
            ('ada123456', ''),
            ('ada', 'Your code: 123456'),
            ('a1234567', '\N{ARABIC-INDIC DIGIT ONE}' * 6),
        ],
    )
    def test_sends_a_mail_whose_only_six_digits_are_the_pin(self, mailbox, username, name):
        register(**{**ADA, 'username': username, 'name': name})

        [mail] = mailbox()
        assert len(re.findall(r'\d{6}', mail.text)) == 1
        assert verify_account(email=ADA['email'], pin=mail.code, password=PASSWORD).name == name

    def test_sends_a_notice_to_a_known_email_address_as_stored(self, mailbox):
        UserFactory(username='lovelace', email='Ada@Example.com')

        register(**{**ADA, 'email': '\N{FULLWIDTH LATIN SMALL LETTER A}da@example.com'})

        [mail] = mailbox()
        assert (mail['To'], mail['Subject']) == ('Ada@Example.com', 'You are registered already')
        assert 'lovelace' in mail.text

    @pytest.mark.parametrize('known', [True, False])
    def test_stores_the_same_rows_for_known_and_unknown_email_addresses(self, known):
        if known:
            UserFactory(email='ada@example.com')

        register(**ADA)

        assert Registration.find_by_username('ada').email == 'ada@example.com'
        [task] = list_tasks()
        assert (task['name'], task['arguments']) == (
            'auth.send_verification', {'email': 'ada@example.com'},
        )  # fmt: skip
        assert db.session.scalars(db.select(Pin.email_key)).all() == []

    def test_executes_the_same_statements_and_hashes_for_both(self, queries, argon2_calls):
        UserFactory(email='known@example.com')

        with queries(max=20) as for_unknown, argon2_calls() as unknown_hashed:
            register(**ADA)
        with queries(max=20) as for_known, argon2_calls() as known_hashed:
            register(username='bob', email='known@example.com', password=PASSWORD)

        assert for_known == for_unknown
        assert known_hashed == unknown_hashed == ['hash']

    @pytest.mark.parametrize(
        ('changes', 'error'),
        [
            ({'username': 'no'}, UsernameInvalid),
            ({'username': 'Roles'}, UsernameReserved),
            ({'username': 'TAKEN'}, UsernameTaken),
            ({'username': 'Waiting'}, UsernameTaken),
            ({'password': 'password'}, PasswordTooWeak),
            ({'password': 'ada@example.com'}, PasswordTooWeak),
        ],
    )
    def test_rejects(self, mailbox, changes, error):
        UserFactory(username='taken')
        RegistrationFactory(username='waiting')

        with pytest.raises(error):
            register(**{**ADA, **changes})

        assert mailbox() == []
        assert Registration.find_pending('ada@example.com') == []

    def test_rejects_a_weak_password_without_hashing(self, argon2_calls):
        with argon2_calls() as done, pytest.raises(PasswordTooWeak):
            register(**{**ADA, 'password': 'password'})

        assert done == []

    def test_renews_a_pending_registration_with_its_password(self, mailbox, travel):
        with travel(hours=-23):
            register(**ADA)

        register(**{**ADA, 'email': 'ADA@example.com'}, name='Ada')

        [waiting] = Registration.find_pending('ada@example.com')
        assert waiting.name == 'Ada'
        assert waiting.expires_at > now() + timedelta(hours=23)
        assert verify(mailbox.latest().code).username == 'ada'

    def test_does_not_change_the_password_of_a_pending_registration(self, mailbox, argon2_calls):
        register(**ADA, name='Ada')

        with argon2_calls() as done, pytest.raises(UsernameTaken):
            register(**{**ADA, 'password': STRANGERS_PASSWORD}, name='Eve')

        [waiting] = Registration.find_pending('ada@example.com')
        assert waiting.name == 'Ada'
        assert verify_password(waiting.password_hash, PASSWORD)
        assert len(mailbox()) == 1
        assert done == ['verify']

    @pytest.mark.parametrize('password', [PASSWORD, STRANGERS_PASSWORD])
    def test_does_not_reveal_whether_a_password_belongs_to_another_registration(
        self, queries, argon2_calls, password
    ):
        RegistrationFactory(username='ada', email='other@example.com')

        with queries(max=4), argon2_calls() as done, pytest.raises(UsernameTaken):
            register(**{**ADA, 'password': password})

        assert done == ['verify']
        assert Registration.find_by_username('ada').email == 'other@example.com'

    def test_keeps_a_registration_stored_while_it_hashes(self, monkeypatch):
        def interrupted(password):
            RegistrationFactory(username='ada', email='ada@example.com')
            return hash_password(password)

        monkeypatch.setattr('project.auth.service.accounts.hash_password', interrupted)
        with pytest.raises(UsernameTaken):
            register(**{**ADA, 'password': STRANGERS_PASSWORD})

        [waiting] = Registration.find_pending('ada@example.com')
        assert verify_password(waiting.password_hash, PASSWORD)

    def test_sends_no_text_of_the_registering_user(self, mailbox):
        name = 'Your account is locked, go to https://evil.example'
        register(**{**ADA, 'username': 'evil'}, name=name)

        [mail] = mailbox()
        assert 'evil' not in mail.text + mail.html

    def test_accepts_ten_a_day_for_known_and_unknown_email_addresses(self, mailbox):
        UserFactory(email='known@example.com')
        refused = {}

        for email in ('ada@example.com', 'KNOWN@example.com'):
            name = email[:3].lower()
            for number in range(10):
                register(username=f'{name}{number}', email=email, password=PASSWORD)
            with pytest.raises(TooManyAttempts) as error:
                register(username=f'{name}x', email=email.lower(), password=PASSWORD)
            refused[email] = error.value.data
        register(username='bob', email='bob@example.com', password=PASSWORD)

        assert refused['ada@example.com'] == refused['KNOWN@example.com']
        assert len(mailbox()) == 21

    def test_counts_registrations_rejected_for_their_password(self):
        register(**ADA)
        for _ in range(9):
            with pytest.raises(UsernameTaken):
                register(**{**ADA, 'password': STRANGERS_PASSWORD})

        with pytest.raises(TooManyAttempts):
            register(**ADA)

    def test_does_not_count_registrations_with_a_taken_username(self):
        UserFactory(username='taken')
        for _ in range(10):
            with pytest.raises(UsernameTaken):
                register(**{**ADA, 'username': 'taken'})

        register(**ADA)

    def test_accepts_the_username_of_an_expired_registration(self):
        RegistrationFactory(username='ada', email='old@example.com', expired=True)

        register(**ADA)

        assert Registration.find_by_username('ada').email == 'ada@example.com'

    def test_accepts_one_of_concurrent_registrations_of_a_username(self, tmp_path):
        with separate_app(tmp_path) as app:

            def one(n):
                return register(username='ada', email=f'ada{n}@example.com', password=PASSWORD)

            results = run_concurrently(app, *(lambda n=n: one(n) for n in range(4)))

            assert [type(result) for result in results].count(UsernameTaken) == 3

    def test_raises_inside_a_transaction(self):
        with atomic(), pytest.raises(RuntimeError, match='commits by itself'):
            register(**ADA)


class TestResendVerification:
    def test_stores_the_same_task_with_and_without_a_registration(self):
        UserFactory(email='known@example.com')
        RegistrationFactory(email='ada@example.com')

        for name in ('known', 'ada', 'nobody'):
            resend_verification(f'{name}@example.com')

        rows = [(task['name'], list(task['arguments'])) for task in list_tasks()]
        assert rows == [('auth.send_verification', ['email'])] * 3

    def test_stores_no_plain_pin_in_the_outbox(self, mailbox):
        register(**ADA)
        send_verification(ADA['email'])
        [row] = [task for task in list_tasks() if task['name'] == 'core.deliver_mail']
        mail = mailbox()[0]

        assert mail.code not in repr(row)
        assert row['arguments']['secret'] == '***'

    def test_sends_a_new_pin_and_invalidates_the_old_one(self, mailbox, monkeypatch):
        numbers = iter([111_111, 222_222])
        monkeypatch.setattr(secrets, 'randbelow', lambda _limit: next(numbers))
        register(**ADA)

        resend_verification('ADA@example.com')

        first, second = mailbox()
        assert second['To'] == 'ada@example.com'
        with pytest.raises(WrongPin):
            verify_account(email=ADA['email'], pin=first.code, password=PASSWORD)
        assert verify_account(email=ADA['email'], pin=second.code, password=PASSWORD)

    @pytest.mark.parametrize(
        'email', ['nobody@example.com', 'known@example.com', 'late@example.com']
    )
    def test_sends_no_mail_without_a_pending_registration(self, mailbox, email):
        UserFactory(email='known@example.com')
        RegistrationFactory(email='late@example.com', expired=True)

        resend_verification(email)

        assert mailbox() == []

    def test_sends_a_notice_to_a_known_email_address_as_stored(self, mailbox):
        UserFactory(username='lovelace', email='Ada@Example.com')
        typed = '\N{FULLWIDTH LATIN SMALL LETTER A}da@example.com'
        register(**{**ADA, 'email': typed})

        resend_verification(typed)

        first, second = mailbox()
        assert (second['To'], second['Subject']) == (first['To'], first['Subject'])
        assert (second['To'], second['Subject']) == (
            'Ada@Example.com',
            'You are registered already',
        )
        assert re.findall('[0-9]{6}', second.text) == []

    def test_sends_no_pin_if_a_user_now_has_the_email_address(self, mailbox):
        register(**ADA)
        mailbox()
        UserFactory(email='Ada@example.com')

        resend_verification('ada@example.com')

        assert [mail['To'] for mail in mailbox()] == ['ada@example.com', 'Ada@example.com']

    def test_executes_the_same_statements_with_and_without_a_registration(self, queries):
        UserFactory(email='known@example.com')
        UserFactory(email='both@example.com')
        RegistrationFactory(email='ada@example.com')
        RegistrationFactory(email='both@example.com')
        ran = {}

        for name in ('ada', 'known', 'both', 'nobody'):
            with queries(max=20) as ran[name]:
                resend_verification(f'{name}@example.com')

        assert all(statements == ran['nobody'] for statements in ran.values())

    def test_sends_at_most_ten_notices_a_day_to_an_email_address(self, mailbox):
        UserFactory(email='known@example.com')
        RegistrationFactory(email='known@example.com')
        for _ in range(9):
            NOTICE_MAIL.consume(mail_target(ALREADY_REGISTERED, 'known@example.com'))

        for _ in range(2):
            resend_verification('known@example.com')

        assert len(mailbox()) == 1


@pytest.fixture
def registered(mailbox):
    """Register Ada; return the PIN from the mail."""
    register(**ADA, name='Ada')
    return mailbox.latest().code


def verify(pin, password=PASSWORD, email='ada@example.com'):
    """Confirm Ada's registration with a PIN and her password."""
    return verify_account(email=email, pin=pin, password=password)


class TestVerifyAccount:
    def test_creates_the_registered_user(self, registered):
        user = verify(registered)

        assert (user.username, user.email, user.name) == ('ada', 'ada@example.com', 'Ada')
        assert (user.roles, user.status) == (['member'], 'active')
        assert log_in(user_or_email='ada', password=PASSWORD).user.id == user.id

    @pytest.mark.parametrize(
        'email', ['ADA@EXAMPLE.COM', '\N{FULLWIDTH LATIN SMALL LETTER A}da@example.com']
    )
    def test_accepts_other_spellings_of_the_email_address(self, registered, email):
        assert verify(registered, email=email).email == 'ada@example.com'

    def test_deletes_the_pins_and_other_registrations_of_the_email_address(self, registered):
        RegistrationFactory(username='planted', email='ada@example.com')

        verify(registered)

        assert Registration.find_pending('ada@example.com') == []
        assert db.session.scalars(db.select(Pin)).all() == []

    def test_rejects_a_second_use(self, registered):
        verify(registered)

        with pytest.raises(WrongPin):
            verify(registered)

    def test_rejects_a_wrong_pin(self, registered):
        with pytest.raises(WrongPin):
            verify(other_than(registered))

        assert User.find_by_username('ada') is None

    def test_rejects_the_right_pin_after_five_wrong_ones(self, registered):
        for _ in range(5):
            with pytest.raises(WrongPin):
                verify(other_than(registered))

        with pytest.raises(WrongPin):
            verify(registered)

    def test_counts_a_wrong_password_as_an_attempt(self, registered):
        for _ in range(5):
            with pytest.raises(WrongPin):
                verify(registered, password='wrong')

        with pytest.raises(WrongPin):
            verify(registered)

    def test_rejects_a_pin_after_ten_minutes(self, registered, travel):
        with (
            travel(minutes=10, seconds=1),
            pytest.raises(WrongPin),
        ):
            verify(registered)

    def test_rejects_an_expired_registration(self, mailbox, travel):
        register(**ADA)
        mailbox()
        with travel(hours=23, minutes=55):
            resend_verification('ada@example.com')
            pin = mailbox()[1].code

        with travel(hours=24, seconds=1), pytest.raises(WrongPin):
            verify(pin)

    def test_requires_the_password_of_the_registration(self, registered, mailbox):
        # A stranger also registers Ada's email address, with a password that Ada does not know.
        register(username='mallory', email='ada@example.com', password=STRANGERS_PASSWORD)
        pin = mailbox.latest().code

        user = verify(pin)

        assert user.username == 'ada'
        assert verify_password(Credential.find_hash(user.id), PASSWORD)
        assert User.find_by_username('mallory') is None

    def test_accepts_a_registration_after_many_registrations_by_strangers(self, mailbox, travel):
        strangers = (f'stranger{number}' for number in count())

        def plant(times):
            for _ in range(times):
                travel(seconds=1)
                register(
                    username=next(strangers), email='ada@example.com', password=STRANGERS_PASSWORD
                )

        # A day begins with its first registration. So the ten registrations of the next day can
        # follow an hour after the last one.
        plant(1)
        travel(hours=23)
        register(**ADA)
        plant(8)
        travel(hours=1)
        plant(10)

        assert verify(mailbox.latest().code).username == 'ada'

    def test_rejects_a_registration_by_a_stranger(self, mailbox):
        register(username='mallory', email='ada@example.com', password=STRANGERS_PASSWORD)
        pin = mailbox.latest().code

        # Ada knows the PIN but not the password of this registration. The stranger knows only the
        # password.
        with pytest.raises(WrongPin):
            verify(pin)
        with pytest.raises(WrongPin):
            verify(other_than(pin), password=STRANGERS_PASSWORD)

        assert User.find_by_login('ada@example.com') is None

    def test_rejects_a_username_that_a_user_has_taken_since(self, registered):
        UserFactory(username='ada', email='other@example.com')

        with pytest.raises(UsernameTaken):
            verify(registered)

    def test_rejects_an_email_address_that_a_user_has_taken_since(self, registered):
        UserFactory(email='ADA@example.com')

        with pytest.raises(EmailTaken):
            verify(registered)

    def test_executes_the_same_statements_with_and_without_a_registration(self, queries):
        UserFactory(email='known@example.com')
        register(**ADA)
        register(username='bob', email='known@example.com', password=PASSWORD)
        ran = {}

        for email in ('ada@example.com', 'known@example.com', 'nobody@example.com'):
            with queries(max=20) as ran[email], pytest.raises(WrongPin):
                # This text does not have the format of a PIN.
                verify('xxxxxx', email=email)

        assert ran['ada@example.com'] == ran['known@example.com'] == ran['nobody@example.com']

    def test_accepts_a_pin_for_the_spelling_of_its_email_address_only(self, mailbox):
        """Two spellings can be two mailboxes, although they have the same `email_key`."""
        register(**ADA)
        register(username='mallory', email='ADA@example.com', password=STRANGERS_PASSWORD)
        other = mailbox.latest()
        with pytest.raises(WrongPin):
            verify(other.code)

        resend_verification('ada@example.com')

        mine = mailbox.latest()
        assert (other['To'], mine['To']) == ('ADA@example.com', 'ada@example.com')
        assert verify(mine.code).email == 'ada@example.com'

    def test_records_a_right_pin_with_a_wrong_password(self, registered):
        with pytest.raises(WrongPin):
            verify(registered, password=STRANGERS_PASSWORD)

        assert [kind for kind, _, _ in events()] == [
            'registered', 'verification_requested', 'pin',
        ]  # fmt: skip

    def test_creates_one_user_for_concurrent_calls(self, tmp_path):
        with separate_app(tmp_path) as app:
            register(**ADA)
            [mail] = mails_of(app, tmp_path / 'mail')
            pin = mail.code

            results = run_concurrently(app, *[lambda: verify(pin)] * 4)

            assert [type(result) for result in results].count(WrongPin) == 3
            assert users.user_stats()['active'] == 1


class TestCreateAccount:
    def test_creates_a_user_who_can_log_in(self):
        user, password, expires_at = create_account(
            username='Ada', email='ada@example.com', password=PASSWORD
        )

        assert (user.username, user.roles, password) == ('ada', ['member'], PASSWORD)
        assert expires_at is None
        assert log_in(user_or_email='ada', password=PASSWORD)

    def test_generates_a_password(self):
        passwords = set()

        for number in range(3):
            _, password, _ = create_account(username=f'ada{number}', email=f'{number}@example.com')
            passwords.add(password)

        assert len(passwords) == 3
        assert all(len(password) >= 20 for password in passwords)
        assert log_in(user_or_email='ada2', password=password)

    def test_generates_a_password_that_expires(self, travel):
        """ASVS 6.4.1: a generated password expires soon."""
        user, password, expires_at = create_account(username='ada', email='ada@example.com')
        entry = log_in(user_or_email='ada', password=password)

        assert timedelta(hours=23) < expires_at - now() <= timedelta(hours=24)
        with travel(to=expires_at):
            with pytest.raises(WrongCredentials):
                log_in(user_or_email='ada', password=password)
            with pytest.raises(WrongPassword):
                change_password(
                    principal_of(user), current_password=password, new_password=PASSWORD
                )
            with pytest.raises(WrongCredentials):
                reauthenticate(
                    principal_of(user, session_id=entry.session['id']), password=password
                )

    @pytest.mark.parametrize('way', ['change', 'reset'])
    def test_generates_a_password_until_the_user_chooses_one(self, mailbox, way, travel):
        user, password, expires_at = create_account(username='ada', email='ada@example.com')

        if way == 'change':
            change_password(principal_of(user), current_password=password, new_password=PASSWORD)
        else:
            request_reset(user.email)
            pin = mailbox.latest().code
            reset_password(email=user.email, pin=pin, new_password=PASSWORD)

        with travel(to=expires_at + timedelta(days=1)):
            assert log_in(user_or_email='ada', password=PASSWORD)

    def test_creates_an_admin(self):
        user, *_ = create_account(username='ada', email='ada@example.com', admin=True)

        assert user.roles == ['admin', 'member']

    @pytest.mark.parametrize(
        ('changes', 'error'),
        [
            ({'username': 'BOB'}, UsernameTaken),
            ({'username': 'me2', 'email': 'BOB@example.com'}, EmailTaken),
            ({'username': 'b'}, UsernameInvalid),
            ({'username': 'roles'}, UsernameReserved),
            ({'password': 'password'}, PasswordTooWeak),
            ({'password': 'zqk93v7'}, PasswordTooWeak),
        ],
    )
    def test_rejects(self, changes, error):
        UserFactory(username='bob', email='bob@example.com')

        with pytest.raises(error):
            create_account(**{**ADA, **changes})

        assert users.user_stats() == {'active': 1, 'disabled': 0}
