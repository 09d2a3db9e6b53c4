"""Service: request, send and complete password resets."""

from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import func, select, update

from project.auth.errors import (
    OtpRequired,
    PasswordTooWeak,
    WrongCredentials,
    WrongOtp,
    WrongPin,
)
from project.auth.models import ApiKey, Credential, Device, Event, Session
from project.auth.service import (
    confirm_totp,
    identify,
    log_in,
    request_reset,
    reset_password,
    start_reset,
    start_totp_enrolment,
)
from project.auth.service.credentials.password_resets import send_reset
from project.core.clock import now
from project.core.database.session import atomic, db
from project.core.security.tokens import new_token, token_hash
from project.core.tasks.inspection import list_tasks
from project.core.throttling import TooManyAttempts
from project.users import service as users
from project.users.errors import UserNotFound
from tests.auth.factories import PASSWORD, account
from tests.auth.pins import other_than
from tests.concurrency import mails_of, run_concurrently, separate_app
from tests.users.factories import UserFactory, principal_of

NEW = 'Difference engine, 1822'


@pytest.fixture
def user():
    """Return a user whose email address contains a capital letter."""
    return account(username='ada', email='Ada@example.com')


@pytest.fixture
def pin(user, mailbox):
    """Request a reset; return the PIN from the mail to the user."""
    request_reset('ada@example.com')
    return mailbox.latest().code


def reset(pin, email='ada@example.com', new_password=NEW):
    """Complete a password reset with a PIN."""
    return reset_password(email=email, pin=pin, new_password=new_password)


class TestRequestReset:
    def test_sends_a_pin_to_the_stored_email_address_only(self, user, mailbox):
        request_reset('\N{FULLWIDTH LATIN SMALL LETTER A}DA@example.com')

        [mail] = mailbox()
        assert (mail['To'], mail['Subject']) == ('Ada@example.com', 'Your code for a new password')
        assert 'ada' in mail.text
        assert mail.code

    @pytest.mark.parametrize('kind', ['nobody', 'disabled'])
    def test_sends_no_mail_to_a_user_who_is(self, user, mailbox, kind):
        if kind == 'disabled':
            users.disable_user(user.id)

        request_reset('nobody@example.com' if kind == 'nobody' else user.email)

        assert mailbox() == []

    def test_stores_the_same_task_with_the_same_statements_for_all(self, user, queries):
        ran = {}
        for email in ('ada@example.com', 'eve@example.com'):
            with queries(max=6) as ran[email]:
                request_reset(email)

        assert ran['ada@example.com'] == ran['eve@example.com']
        assert [task['name'] for task in list_tasks()] == ['auth.send_reset'] * 2


class TestSendReset:
    def test_invalidates_the_previous_pin(self, pin, mailbox):
        request_reset('ada@example.com')
        newer = mailbox.latest().code

        if newer != pin:
            with pytest.raises(WrongPin):
                reset(pin)
        reset(newer)

    def test_records_the_request(self, user):
        send_reset(user.email)

        event = db.session.scalars(select(Event)).one()
        assert (event.event_type, event.user_id) == ('password_reset_requested', user.id)

    @pytest.mark.parametrize(('shift', 'mails'), [(-1, 0), (0, 1)])
    def test_sends_no_mail_if_the_password_was_set_after_the_request(
        self, user, mailbox, shift, mails
    ):
        changed_at = db.session.scalar(select(Credential.changed_at))

        send_reset(user.email, (changed_at + timedelta(microseconds=shift)).isoformat())

        assert len(mailbox()) == mails

    def test_sends_a_pin_although_a_clock_that_was_ahead_set_the_password(self, user, mailbox):
        changed_at = now() + timedelta(days=7305)
        with atomic():
            db.session.execute(update(Credential).values(changed_at=changed_at))

        request_reset(user.email)

        assert len(mailbox()) == 1


class TestStartReset:
    """ASVS 6.4.6: an operator can start a reset, but only the user completes it."""

    def test_sends_a_mail_to_the_user(self, user, mailbox):
        assert start_reset('ada').email == 'Ada@example.com'

        assert [mail['To'] for mail in mailbox()] == ['Ada@example.com']

    def test_sends_a_code_from_the_third_mail_on(self, user, mailbox):
        for _ in range(3):
            start_reset('ada')

        assert not mailbox.latest().code.isdigit()

    def test_rejects_an_unknown_user(self):
        with pytest.raises(UserNotFound):
            start_reset('nobody')


class TestResetPassword:
    def test_replaces_the_old_password(self, user, pin):
        reset(pin)

        assert log_in(user_or_email='ada', password=NEW)
        with pytest.raises(WrongCredentials):
            log_in(user_or_email='ada', password=PASSWORD)

    def test_deletes_all_sessions_keys_and_devices(self, user, pin, mailbox):
        opened = log_in(user_or_email='ada', password=PASSWORD)
        key = ApiKey(user_id=user.id, name='ci', token_hash=token_hash(new_token('pak')),
                     prefix='pak_', scopes=['profile:read'])  # fmt: skip
        with atomic():
            db.session.add(key)

        device = reset(pin)

        assert identify(opened.token) is None
        assert list(db.session.scalars(select(Device.token_hash))) == [token_hash(device)]
        for model in (Session, ApiKey):
            assert db.session.scalar(select(func.count()).select_from(model)) == 0
        mail = mailbox.latest()
        assert (mail['To'], mail['Subject']) == ('Ada@example.com', 'Your password was changed')
        assert 'password_reset' in db.session.scalars(select(Event.event_type)).all()

    def test_opens_no_session_and_keeps_the_second_factor(self, user, pin):
        """ASVS 6.4.3: a reset does not bypass the second factor."""
        enrolment = start_totp_enrolment(principal_of(user))
        confirm_totp(principal_of(user), pyotp.TOTP(enrolment.secret).now())

        reset(pin)

        assert db.session.scalar(select(func.count()).select_from(Session)) == 0
        with pytest.raises(OtpRequired):
            log_in(user_or_email='ada', password=NEW)

    def test_sets_the_password_of_a_user_without_one(self, mailbox):
        UserFactory(username='eve', email='eve@example.com')
        request_reset('eve@example.com')

        reset(mailbox.latest().code, email='eve@example.com')

        assert log_in(user_or_email='eve', password=NEW)

    @pytest.mark.parametrize('login', ['ada', 'ada@example.com'])
    def test_resets_the_attempts_of_strangers(self, user, pin, login):
        for _ in range(10):
            with pytest.raises(WrongCredentials):
                log_in(user_or_email=login, password='wrong')

        reset(pin)

        assert log_in(user_or_email=login, password=NEW)

    def test_returns_a_known_device_for_the_next_login(self, user, pin, mailbox):
        device = reset(pin)
        for _ in range(10):
            with pytest.raises(WrongCredentials):
                log_in(user_or_email='ada', password='wrong')

        assert log_in(user_or_email='ada', password=NEW, device=device)
        assert 'A new device has logged in' not in [mail['Subject'] for mail in mailbox()]

    def test_shares_attempts_at_the_second_factor_with_further_resets(
        self, user, pin, mailbox, travel
    ):
        """All resets of a user share one attempt counter.

        If each device had its own, a person who can read the user's mails could start reset after
        reset, with ten attempts each.
        """
        authenticator = pyotp.TOTP(start_totp_enrolment(principal_of(user)).secret)
        confirm_totp(principal_of(user), authenticator.at(now()))
        travel(seconds=60)
        first = reset(pin)
        for _ in range(10):
            with pytest.raises(WrongOtp):
                log_in(user_or_email='ada', password=NEW, device=first, otp='000000')
        mailbox()
        travel(seconds=1)
        request_reset('ada@example.com')
        other = f'{NEW} again'
        second = reset(mailbox.latest().code, new_password=other)

        code = authenticator.at(now())
        with pytest.raises(TooManyAttempts):
            log_in(user_or_email='ada', password=other, device=second, otp=code)
        assert log_in(user_or_email='ada', password=other, otp=code)

    def test_accepts_a_pin_once(self, pin):
        """ASVS 6.5.1: a PIN is valid for one use."""
        reset(pin)

        with pytest.raises(WrongPin):
            reset(pin)

    def test_rejects_a_pin_after_ten_minutes(self, user, mailbox, travel):
        """ASVS 6.5.5: a PIN is valid for at most ten minutes."""
        request_reset('ada@example.com')
        pin = mailbox.latest().code
        travel(seconds=600)
        with pytest.raises(WrongPin):
            reset(pin)
        request_reset('ada@example.com')
        pin = mailbox.latest().code
        travel(seconds=599)
        reset(pin)

    def test_rejects_a_pin_after_five_wrong_ones(self, pin):
        """ASVS 6.6.3: the number of attempts is limited."""
        for _ in range(5):
            with pytest.raises(WrongPin):
                reset(other_than(pin))

        with pytest.raises(WrongPin):
            reset(pin)

    def test_rejects_the_pin_of_another_email_address(self, user, pin):
        """ASVS 6.6.2: a PIN is valid only for the request that caused it."""
        account(email='eve@example.com')

        with pytest.raises(WrongPin):
            reset(pin, email='eve@example.com')

    @pytest.mark.parametrize('password', ['short', 'password123', 'ada@example.com', 'adaadaada'])
    def test_keeps_the_pin_valid_after_a_weak_password(self, pin, password):
        with pytest.raises(PasswordTooWeak) as error:
            reset(pin, new_password=password)

        assert set(error.value.data) == {'new_password'}
        reset(pin)

    def test_rejects_the_username_as_a_password(self, mailbox):
        account(username='kvqzmwpt', email='a.l@example.com')
        request_reset('a.l@example.com')

        with pytest.raises(PasswordTooWeak):
            reset(mailbox.latest().code, email='a.l@example.com', new_password='kvqzmwpt1')

    def test_raises_the_same_for_a_weak_password_of_known_and_unknown_users(self, user):
        account(username='kvqzmwpt', email='a.l@example.com')

        for email in ('a.l@example.com', 'eve@example.com'):
            with pytest.raises(WrongPin):
                reset('000000', email=email, new_password='kvqzmwpt1')

    def test_rejects_a_disabled_user(self, user, pin):
        users.disable_user(user.id)

        with pytest.raises(WrongPin):
            reset(pin)

    def test_executes_the_same_statements_for_known_and_unknown_users(self, user, queries):
        ran = {}
        for email in ('ada@example.com', 'eve@example.com'):
            with queries(max=12) as ran[email], pytest.raises(WrongPin):
                reset('000000', email=email)

        assert ran['ada@example.com'] == ran['eve@example.com']

    def test_accepts_one_of_concurrent_resets(self, tmp_path):
        with separate_app(tmp_path) as app:
            account(username='ada', email='ada@example.com')
            for number in range(3):
                request_reset('ada@example.com')
                pin = mails_of(app, tmp_path / 'mail')[0].code
                for path in (tmp_path / 'mail').glob('*.eml'):
                    path.unlink()

                found = run_concurrently(
                    app, *[lambda p=pin, n=number: reset(p, new_password=f'{NEW} {n}')] * 5
                )

                assert len([f for f in found if not isinstance(f, Exception)]) == 1
                assert log_in(user_or_email='ada', password=f'{NEW} {number}')
                mails_of(app, tmp_path / 'mail')
                for path in (tmp_path / 'mail').glob('*.eml'):
                    path.unlink()
