"""Service: enable, verify and disable second factors, and renew recovery codes."""

import itertools
import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pyotp
import pytest
import segno
from sqlalchemy import func, select

from project.auth.errors import (
    OtpInvalid,
    OtpRequired,
    TotpAlreadyEnabled,
    TotpNotEnabled,
    WrongCredentials,
    WrongOtp,
    WrongRecoveryCode,
)
from project.auth.models import Event, RecoveryCode, Session, Totp
from project.auth.service import (
    confirm_totp,
    disable_totp,
    disable_totp_of,
    identify,
    log_in,
    reauthenticate,
    renew_recovery_codes,
    start_totp_enrolment,
)
from project.auth.service.attempt_counters import OTP_NEW_DEVICE, account_target
from project.auth.service.credentials.devices import add_device
from project.auth.service.credentials.second_factors import (
    RECOVERY_CODE_COUNT,
    UNKNOWN_KEY_MESSAGE,
    consume_second_factor,
)
from project.auth.service.credentials.timesteps import TIMESTEP_SECONDS, find_timestep
from project.core.clock import now
from project.core.database.session import atomic, db
from project.core.throttling import MAX_ATTEMPTS, TooManyAttempts
from project.users import service as users
from tests.auth.factories import PASSWORD, account
from tests.concurrency import mails_of, run_concurrently, separate_app
from tests.users.factories import principal_of

# The SHA-1 secret and test vectors of RFC 6238, appendix B, shortened to six digits.
SECRET = b'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'
VECTORS = [
    (59, '287082'), (1111111109, '081804'), (1111111111, '050471'), (1234567890, '005924'),
    (2000000000, '279037'), (20000000000, '353130'),
]  # fmt: skip


@pytest.fixture
def user():
    """Return a user who can log in."""
    return account(username='ada')


@pytest.fixture
def enrolled(user, travel):
    """Enable the user's second factor, five time steps of 30 seconds ago.

    :returns: the TOTP secret and the recovery codes.
    """
    return enrol(user, travel)


def enrol(user, travel):
    """Enable a second factor, and move the clock by five time steps of 30 seconds.

    :returns: the TOTP secret and the recovery codes.
    """
    enrolment = start_totp_enrolment(principal_of(user))
    codes = confirm_totp(principal_of(user), code_of(enrolment.secret))
    travel(seconds=5 * TIMESTEP_SECONDS)
    return enrolment.secret, codes


def code_of(secret, steps=0):
    """Return the code that an authenticator app shows, `steps` time steps from now."""
    return pyotp.TOTP(secret).at(now() + timedelta(seconds=steps * TIMESTEP_SECONDS))


def wrong(secret):
    """Return a code that is invalid now and within three time steps before and after."""
    near = {code_of(secret, steps) for steps in range(-3, 4)}
    return next(code for code in map('{:06}'.format, itertools.count()) if code not in near)


def enter(user, **factor):
    """Log in with the right password; `factor` is the second factor, if any."""
    return log_in(user_or_email=user.username, password=PASSWORD, **factor)


def kinds():
    """Return the event types of all security events."""
    return list(db.session.scalars(select(Event.event_type)))


def subjects(mailbox):
    """Return the subjects of all mails."""
    return [mail['Subject'] for mail in mailbox()]


class TestStartTotpEnrolment:
    def test_returns_the_secret_as_text_uri_and_qr_code(self, user):
        enrolment = start_totp_enrolment(principal_of(user))

        assert re.fullmatch('[A-Z2-7]{32}', enrolment.secret)
        parsed = pyotp.parse_uri(enrolment.uri)
        assert (parsed.secret, parsed.name, parsed.issuer) == (enrolment.secret, 'ada', 'localhost')
        drawn = ElementTree.fromstring(enrolment.qr)
        size = segno.make(enrolment.uri, error='m').symbol_size(scale=5)
        assert (drawn.get('width'), drawn.get('height')) == tuple(map(str, size))

    def test_stores_the_secret_encrypted(self, user):
        enrolment = start_totp_enrolment(principal_of(user))

        stored = db.session.scalar(select(Totp.encrypted_secret))
        assert enrolment.secret.encode() not in stored

    def test_does_not_affect_logins_before_the_confirmation(self, user):
        start_totp_enrolment(principal_of(user))

        assert enter(user)

    def test_replaces_an_unconfirmed_enrolment(self, user):
        first, second = (start_totp_enrolment(principal_of(user)) for _ in range(2))

        with pytest.raises(OtpInvalid):
            confirm_totp(principal_of(user), code_of(first.secret))
        assert confirm_totp(principal_of(user), code_of(second.secret))

    def test_rejects_a_user_with_an_enabled_factor(self, user, enrolled):
        with pytest.raises(TotpAlreadyEnabled):
            start_totp_enrolment(principal_of(user))


class TestConfirmTotp:
    def test_enables_the_factor_and_returns_ten_recovery_codes(self, user, mailbox):
        enrolment = start_totp_enrolment(principal_of(user))

        codes = confirm_totp(principal_of(user), code_of(enrolment.secret))

        assert len(set(codes)) == 10
        assert all(re.fullmatch('([a-z2-7]{4}-){5}[a-z2-7]{4}', code) for code in codes)
        stored = set(db.session.scalars(select(RecoveryCode.code_hash)))
        assert len(stored) == 10
        assert not stored & set(codes)
        assert subjects(mailbox) == ['A second factor was turned on']
        assert 'totp_enabled' in kinds()

    @pytest.mark.parametrize('what', ['wrong', 'too late', 'nothing begun', 'on already'])
    def test_rejects(self, user, travel, what):
        secret = (
            start_totp_enrolment(principal_of(user)).secret if what != 'nothing begun' else SECRET
        )
        if what == 'on already':
            confirm_totp(principal_of(user), code_of(secret))
        travel(seconds=3600 if what == 'too late' else 2 * TIMESTEP_SECONDS)
        code = wrong(secret) if what == 'wrong' else code_of(secret)

        with pytest.raises(OtpInvalid):
            confirm_totp(principal_of(user), code)

    def test_rejects_any_code_under_an_unknown_key(self, app, user, monkeypatch, caplog):
        secret = start_totp_enrolment(principal_of(user)).secret
        monkeypatch.setitem(app.config, 'SECRET_KEY', 'another' + 'k3y' * 12)

        with pytest.raises(OtpInvalid):
            confirm_totp(principal_of(user), code_of(secret))

        assert UNKNOWN_KEY_MESSAGE in caplog.text

    def test_consumes_its_code(self, user, travel):
        enrolment = start_totp_enrolment(principal_of(user))
        code = code_of(enrolment.secret)
        confirm_totp(principal_of(user), code)

        with pytest.raises(WrongOtp):
            enter(user, otp=code)

    def test_rejects_the_right_code_after_ten_wrong_ones(self, user):
        """ASVS 6.6.3: the number of attempts is limited."""
        enrolment = start_totp_enrolment(principal_of(user))
        for _ in range(10):
            with pytest.raises(OtpInvalid):
                confirm_totp(principal_of(user), wrong(enrolment.secret))

        with pytest.raises(TooManyAttempts):
            confirm_totp(principal_of(user), code_of(enrolment.secret))


class TestDisableTotpOf:
    """The function of the operator's command `flask auth disable-totp`."""

    def test_disables_the_factor_notifies_the_user_and_records_the_operator(
        self, user, enrolled, mailbox
    ):
        assert disable_totp_of('ada').id == user.id

        assert enter(user)
        assert db.session.scalar(select(func.count()).select_from(RecoveryCode)) == 0
        assert 'The second factor was turned off' in subjects(mailbox)
        event = db.session.scalars(select(Event).where(Event.event_type == 'totp_disabled')).one()
        assert (event.user_id, event.actor) == (user.id, 'operator')

    @pytest.mark.parametrize('is_pending', [True, False])
    def test_rejects_a_user_without_an_enabled_factor(self, user, is_pending):
        if is_pending:
            start_totp_enrolment(principal_of(user))

        with pytest.raises(TotpNotEnabled):
            disable_totp_of('ada')

        assert (Totp.find(user.id) is not None) is is_pending


class TestDisableTotp:
    def test_disables_the_factor_and_deletes_its_recovery_codes(self, user, enrolled, mailbox):
        """ASVS 6.5.6: a factor can be revoked."""
        disable_totp(principal_of(user))

        assert enter(user)
        assert db.session.scalar(select(func.count()).select_from(RecoveryCode)) == 0
        assert 'The second factor was turned off' in subjects(mailbox)
        assert 'totp_disabled' in kinds()

    def test_deletes_an_unconfirmed_enrolment_without_a_mail(self, user, mailbox):
        start_totp_enrolment(principal_of(user))

        disable_totp(principal_of(user))

        assert subjects(mailbox) == []

    def test_rejects_a_user_without_a_factor(self, user):
        with pytest.raises(TotpNotEnabled):
            disable_totp(principal_of(user))


class TestRenewRecoveryCodes:
    def test_replaces_the_old_codes(self, user, enrolled, mailbox):
        _, old = enrolled

        new = renew_recovery_codes(principal_of(user))

        assert not set(old) & set(new)
        with pytest.raises(WrongRecoveryCode):
            enter(user, recovery_code=old[0])
        assert enter(user, recovery_code=new[0])
        assert 'New recovery codes were made' in subjects(mailbox)

    def test_rejects_a_user_without_an_enabled_factor(self, user):
        start_totp_enrolment(principal_of(user))

        with pytest.raises(TotpNotEnabled):
            renew_recovery_codes(principal_of(user))


class TestVerifySecondFactor:
    """`verify_second_factor`, which the tests call through `log_in`."""

    def test_requires_a_code_only_after_the_right_password(self, user, enrolled):
        with pytest.raises(OtpRequired):
            enter(user)
        with pytest.raises(WrongCredentials):
            log_in(user_or_email='ada', password='wrong')
        with pytest.raises(WrongCredentials):
            log_in(user_or_email='ada', password='wrong', otp=code_of(enrolled[0]))

    @pytest.mark.parametrize('steps', [-1, 0, 1])
    def test_accepts_a_clock_that_is_one_step_off(self, user, enrolled, steps):
        assert enter(user, otp=code_of(enrolled[0], steps))

    @pytest.mark.parametrize('steps', [-2, 2])
    def test_rejects_a_clock_that_is_two_steps_off(self, user, enrolled, steps):
        """ASVS 6.5.5: a code is valid for a short time only."""
        with pytest.raises(WrongOtp):
            enter(user, otp=code_of(enrolled[0], steps))

    def test_accepts_each_code_once(self, user, enrolled):
        """ASVS 6.5.1 and RFC 6238, section 5.2: a code is valid for one use."""
        code = code_of(enrolled[0])
        enter(user, otp=code)

        with pytest.raises(WrongOtp):
            enter(user, otp=code)

    @pytest.mark.parametrize('days', [1, 7305])
    def test_accepts_a_code_once_after_the_clock_was_ahead(self, user, enrolled, travel, days):
        secret, _ = enrolled
        travel(days=days)
        enter(user, otp=code_of(secret))
        travel(days=-days)

        assert enter(user, otp=code_of(secret)).token
        with pytest.raises(WrongOtp):
            enter(user, otp=code_of(secret))

    def test_rejects_a_code_older_than_the_last_used_one(self, user, enrolled):
        before = code_of(enrolled[0], -1)
        enter(user, otp=code_of(enrolled[0]))

        with pytest.raises(WrongOtp):
            enter(user, otp=before)

    def test_rejects_the_code_of_another_user(self, user, enrolled, travel):
        secret, codes = enrol(account(), travel)

        with pytest.raises(WrongOtp):
            enter(user, otp=code_of(secret))
        with pytest.raises(WrongRecoveryCode):
            enter(user, recovery_code=codes[0])

    def test_rejects_the_right_code_after_ten_wrong_ones(self, user, enrolled, travel):
        for _ in range(10):
            with pytest.raises(WrongOtp):
                enter(user, otp=wrong(enrolled[0]))

        with pytest.raises(TooManyAttempts):
            enter(user, otp=code_of(enrolled[0]))
        travel(seconds=15 * 60)
        assert enter(user, otp=code_of(enrolled[0]))

    def test_does_not_count_wrong_recovery_codes(self, user, enrolled):
        for _ in range(11):
            with pytest.raises(WrongRecoveryCode):
                enter(user, recovery_code='aaaa-aaaa')

        assert enter(user, recovery_code=enrolled[1][0])

    def test_accepts_a_recovery_code_after_ten_wrong_codes(self, user, enrolled):
        for _ in range(10):
            with pytest.raises(WrongOtp):
                enter(user, otp=wrong(enrolled[0]))

        assert enter(user, recovery_code=enrolled[1][0])

    def test_counts_separately_for_a_known_device_and_a_session(self, user, enrolled, travel):
        known = enter(user, otp=code_of(enrolled[0]))
        asker = identify(known.token)
        for _ in range(10):
            with pytest.raises(WrongOtp):
                enter(user, otp=wrong(enrolled[0]))
        travel(seconds=TIMESTEP_SECONDS * 2)

        again = reauthenticate(asker, password=PASSWORD, otp=code_of(enrolled[0]))
        travel(seconds=TIMESTEP_SECONDS * 2)
        assert enter(user, otp=code_of(enrolled[0]), device=known.device)
        for _ in range(10):
            with pytest.raises(WrongOtp):
                reauthenticate(identify(again.token), password=PASSWORD, otp=wrong(enrolled[0]))
        with pytest.raises(TooManyAttempts):
            reauthenticate(identify(again.token), password=PASSWORD, otp='000000')

    def test_counts_separately_for_a_device_that_passed_a_second_factor(
        self, user, enrolled, travel
    ):
        with atomic():
            _, known = add_device(user.id)
        devices = [
            enter(user, recovery_code=code, device=device).device
            for code, device in zip(enrolled[1], (known, None), strict=False)
        ]
        for device in [devices[0]] * 10 + [devices[1]]:
            with pytest.raises(WrongOtp):
                enter(user, otp=wrong(enrolled[0]), device=device)

        with pytest.raises(TooManyAttempts):
            enter(user, otp=code_of(enrolled[0]), device=devices[0])
        assert OTP_NEW_DEVICE.count_of(account_target(user.id)) == 0
        assert enter(user, otp=code_of(enrolled[0]), device=devices[1])

    def test_notifies_the_user_at_most_three_times_a_day(self, user, enrolled, mailbox, travel):
        """ASVS 6.3.5: a wrong code after the right password means that someone else knows it."""
        mailbox()
        for _ in range(4):
            with pytest.raises(WrongOtp):
                enter(user, otp=wrong(enrolled[0]))
        with pytest.raises(WrongRecoveryCode):
            enter(user, recovery_code='aaaa-aaaa')

        assert subjects(mailbox).count('A wrong second factor at a login') == 3
        assert kinds().count('second_factor') == 5

    def test_counts_a_used_code_as_wrong(self, user, enrolled):
        code = code_of(enrolled[0])
        enter(user, otp=code)
        for _ in range(10):
            with pytest.raises(WrongOtp):
                enter(user, otp=code)

        with pytest.raises(TooManyAttempts):
            enter(user, otp=code_of(enrolled[0], 1))

    def test_does_not_count_a_missing_code(self, user, enrolled):
        for _ in range(12):
            with pytest.raises(OtpRequired):
                enter(user)

        assert enter(user, otp=code_of(enrolled[0]))

    def test_records_failures(self, user, enrolled):
        with pytest.raises(WrongOtp):
            enter(user, otp=wrong(enrolled[0]))

        failed = select(Event.event_type).where(Event.outcome == 'failure')
        assert db.session.scalars(failed).all() == ['second_factor']

    def test_accepts_a_recovery_code_once_in_any_case_and_spacing(self, user, enrolled, mailbox):
        code = enrolled[1][3].upper().replace('-', ' ')

        assert enter(user, recovery_code=code)

        with pytest.raises(WrongRecoveryCode):
            enter(user, recovery_code=enrolled[1][3])
        assert 'A recovery code was used' in subjects(mailbox)
        assert 'recovery_code_used' in kinds()
        assert db.session.scalar(select(func.count()).select_from(RecoveryCode)) == 9

    def test_accepts_codes_after_a_change_of_the_secret_key(
        self, app, user, enrolled, travel, monkeypatch
    ):
        old = app.config['SECRET_KEY']
        monkeypatch.setitem(app.config, 'SECRET_KEY', 'another' + 'k3y' * 12)
        monkeypatch.setitem(app.config, 'SECRET_KEY_FALLBACKS', [old])
        assert enter(user, otp=code_of(enrolled[0]))

        # The login has encrypted the TOTP secret again, under the new key. So the old key is no
        # longer needed.
        monkeypatch.setitem(app.config, 'SECRET_KEY_FALLBACKS', [])
        travel(seconds=TIMESTEP_SECONDS)
        assert enter(user, otp=code_of(enrolled[0]))

    def test_rejects_any_code_under_an_unknown_key_and_counts_and_mails_no_attempt(
        self, app, user, enrolled, mailbox, monkeypatch, caplog
    ):
        mails_before = subjects(mailbox)
        monkeypatch.setitem(app.config, 'SECRET_KEY', 'another' + 'k3y' * 12)

        for _ in range(MAX_ATTEMPTS + 1):
            with pytest.raises(WrongOtp):
                enter(user, otp=code_of(enrolled[0]))

        assert {record.message for record in caplog.records if record.levelname == 'ERROR'} == {
            UNKNOWN_KEY_MESSAGE
        }
        assert kinds().count('second_factor') == MAX_ATTEMPTS + 1
        assert subjects(mailbox) == mails_before
        assert enter(user, recovery_code=enrolled[1][0])


class TestConsumeSecondFactor:
    def test_requires_a_factor_enabled_during_the_login(self, user, enrolled):
        with pytest.raises(OtpRequired), atomic():
            consume_second_factor(user.id, None)

    def test_prevents_the_session_if_it_rejects(self, user, enrolled, monkeypatch):
        before = db.session.scalar(select(func.count()).select_from(Session))
        monkeypatch.setattr(
            'project.auth.service.login.verify_second_factor', lambda *_, **__: None
        )

        with pytest.raises(OtpRequired):
            enter(user)

        assert db.session.scalar(select(func.count()).select_from(Session)) == before


class TestFindTimestep:
    @pytest.mark.parametrize(('moment', 'code'), VECTORS)
    def test_returns_the_time_step_of_rfc_6238(self, app, moment, code, travel):
        travel(to=datetime.fromtimestamp(moment, UTC))

        assert find_timestep(SECRET, code) == moment // TIMESTEP_SECONDS


class TestReauthenticate:
    def test_requires_a_code_like_a_login(self, user, enrolled, travel):
        asker = identify(enter(user, otp=code_of(enrolled[0])).token)
        travel(seconds=TIMESTEP_SECONDS)

        with pytest.raises(OtpRequired):
            reauthenticate(asker, password=PASSWORD)
        code = code_of(enrolled[0])
        assert reauthenticate(asker, password=PASSWORD, otp=code)
        with pytest.raises(WrongOtp):
            enter(user, otp=code)


class TestRaces:
    @pytest.mark.parametrize('kind', ['otp', 'recovery_code'])
    def test_concurrent_logins_with_one_code_open_one_session(self, tmp_path, kind, travel):
        with separate_app(tmp_path) as app:
            user = account()
            secret, codes = enrol(user, travel)
            for number in range(3):
                factor = {'otp': code_of(secret)} if kind == 'otp' else {kind: codes[number]}

                found = run_concurrently(app, *[lambda f=factor: enter(user, **f)] * 8)

                opened = [login for login in found if not isinstance(login, Exception)]
                assert len(opened) == 1, found
                # The other seven logins count as wrong attempts. Wait until the counter expires.
                travel(seconds=15 * 60)
            assert db.session.scalar(select(func.count()).select_from(Session)) == 3

    @pytest.mark.usefixtures('travel')
    def test_one_of_concurrent_confirmations_returns_valid_codes(self, tmp_path):
        with separate_app(tmp_path) as app:
            user = users.get_user(account().id)
            code = code_of(start_totp_enrolment(principal_of(user)).secret)

            found = run_concurrently(app, *[lambda: confirm_totp(principal_of(user), code)] * 4)

            assert len([codes for codes in found if isinstance(codes, list)]) == 1
            mails = mails_of(app, tmp_path / 'mail')
            assert [mail['Subject'] for mail in mails] == ['A second factor was turned on']


class TestRecoveryCodeCountOf:
    def test_counts_the_codes_of_the_user_only(self, user, enrolled):
        other = account()
        confirm_totp(principal_of(other), code_of(start_totp_enrolment(principal_of(other)).secret))

        assert RecoveryCode.count_of(user.id) == RECOVERY_CODE_COUNT
