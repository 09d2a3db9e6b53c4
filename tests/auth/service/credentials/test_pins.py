"""Service: issue, verify and consume PINs and codes."""

import re
import secrets
from datetime import timedelta

import pytest

from project.auth.errors import WrongPin
from project.auth.models import Pin
from project.auth.service.attempt_counters import PIN_MAIL, PIN_NETWORK, mail_target
from project.auth.service.credentials.pins import (
    CODE_LIFETIME,
    PIN_LIFETIME,
    consume_pin,
    issue_pin,
    mail_pin,
    verify_pin,
)
from project.core.clock import now
from project.core.database.session import atomic, db
from project.core.throttling import TooManyAttempts
from tests.auth.pins import other_than

ADA = 'ada@example.com'


def issue(purpose='verification', email=ADA, mails=1):
    """Issue a PIN or code; return it.

    :param mails: the number of mails to this address today, including this one. From the third mail
        on, a mail contains a code.
    """
    PIN_MAIL.reset(mail_target(purpose, email))
    for _ in range(mails):
        PIN_MAIL.consume(mail_target(purpose, email))
    with atomic():
        return issue_pin(purpose, email).text


def verify(pin, purpose='verification', email=ADA):
    """Verify the PIN that was sent to an email address."""
    return verify_pin(purpose, pin, emails=[email])


def consume(verified):
    """Use up a PIN after its verification."""
    with atomic():
        consume_pin('verification', verified)


def stored():
    """Return the HMAC and the remaining attempts of the only stored PIN."""
    return db.session.execute(db.select(Pin.code_hmac, Pin.attempts_left)).one()


def count_mails(number, purpose='verification'):
    """Increase the mail counter of Ada's mailbox, as if mails had been sent."""
    for _ in range(number):
        PIN_MAIL.consume(mail_target(purpose, ADA))


def mail(to=ADA, purpose='verification'):
    """Mail a PIN or code; return whether the mail was sent."""
    with atomic():
        return mail_pin('verification', purpose, to=to, about=None)


class TestMailPin:
    def test_sends_at_most_ten_mails_while_the_newest_code_is_valid(self, mailbox):
        count_mails(8)

        assert [mail() for _ in range(4)] == [True, True, False, False]

        assert verify(mailbox.latest().code)

    def test_sends_one_code_to_each_spelling_of_an_email_address(self, mailbox):
        count_mails(9)
        mail('ADA@example.com')

        assert [mail(to) for to in (ADA, ADA, 'ADA@example.com')] == [True, False, False]

        strangers, own = mailbox()[-2:]
        assert own['To'] == ADA
        assert verify(own.code)
        assert verify(strangers.code, email='ADA@example.com')

    def test_sends_one_code_to_each_user(self):
        count_mails(9, 'email-change')
        mail(purpose='email-change:1')

        assert [mail(purpose=f'email-change:{user}') for user in (2, 2, 1)] == [True, False, False]

    def test_sends_one_more_mail_after_a_code_was_used(self, mailbox):
        count_mails(9)
        mail()
        consume(verify(mailbox.latest().code))

        assert [mail(), mail()] == [True, False]

    def test_sends_a_code_although_a_pin_is_valid(self, mailbox):
        """The PIN may be useless: other people may have used up its attempts."""
        mail()
        count_mails(9)

        assert mail()
        assert not mailbox.latest().code.isdigit()


class TestIssuePin:
    def test_returns_six_digits_as_text(self):
        pin = issue()

        assert isinstance(pin, str)
        assert len(pin) == 6
        assert pin.isascii()
        assert pin.isdigit()

    @pytest.mark.parametrize(
        ('number', 'pin'), [(0, '000000'), (42, '000042'), (999_999, '999999')]
    )
    def test_keeps_leading_zeros(self, monkeypatch, number, pin):
        monkeypatch.setattr(secrets, 'randbelow', lambda _limit: number)

        assert issue() == pin
        assert verify(pin)

    def test_stores_an_hmac_and_not_the_pin(self):
        pin = issue()

        assert len(stored().code_hmac) == 32
        assert pin.encode() not in stored().code_hmac

    def test_depends_on_the_secret_key(self, app, monkeypatch):
        pin = issue()
        monkeypatch.setitem(app.config, 'SECRET_KEY', 'another ' * 5)

        with pytest.raises(WrongPin):
            verify(pin)

    def test_stays_valid_with_a_fallback_secret_key(self, app, monkeypatch):
        pin = issue()
        monkeypatch.setitem(app.config, 'SECRET_KEY_FALLBACKS', [app.config['SECRET_KEY']])
        monkeypatch.setitem(app.config, 'SECRET_KEY', 'another ' * 5)

        assert verify(pin)

    def test_invalidates_older_pins(self, monkeypatch):
        numbers = iter([111_111, 222_222])
        monkeypatch.setattr(secrets, 'randbelow', lambda _limit: next(numbers))
        old, new = issue(), issue()

        with pytest.raises(WrongPin):
            verify(old)

        assert verify(new)

    def test_keeps_pins_of_other_users_and_purposes_valid(self):
        pin = issue()
        issue(email='bob@example.com')
        issue(purpose='password-reset')

        assert verify(pin)


class TestVerifyPin:
    def test_rejects_a_wrong_pin(self):
        with pytest.raises(WrongPin):
            verify(other_than(issue()))

    def test_rejects_an_email_address_without_a_pin(self):
        with pytest.raises(WrongPin):
            verify('000000')

    def test_rejects_a_pin_of_another_email_address(self):
        pin = issue()
        issue(email='bob@example.com')

        with pytest.raises(WrongPin):
            verify(pin, email='bob@example.com')

    def test_rejects_a_pin_of_another_purpose(self):
        pin = issue()
        issue(purpose='password-reset')

        with pytest.raises(WrongPin):
            verify(pin, 'password-reset')

    def test_rejects_a_pin_after_ten_minutes(self, travel):
        pin, issued = issue(), now()

        with travel(to=issued + PIN_LIFETIME - timedelta(seconds=2)):
            assert verify(pin)
        with (
            travel(to=issued + PIN_LIFETIME + timedelta(seconds=1)),
            pytest.raises(WrongPin),
        ):
            verify(pin)

        assert timedelta(minutes=10) == PIN_LIFETIME

    def test_rejects_the_right_pin_after_five_wrong_ones(self):
        pin = issue()
        for _ in range(5):
            with pytest.raises(WrongPin):
                verify(other_than(pin))

        with pytest.raises(WrongPin):
            verify(pin)

        assert stored().attempts_left == 0

    def test_accepts_the_right_pin_after_four_wrong_ones(self):
        pin = issue()
        for _ in range(4):
            with pytest.raises(WrongPin):
                verify(other_than(pin))

        assert verify(pin)

    def test_counts_attempts_per_pin(self):
        for _ in range(4):
            pin = issue()
            for _ in range(5):
                with pytest.raises(WrongPin):
                    verify(other_than(pin))

        assert verify(issue())

    def test_rejects_a_pin_of_another_spelling_of_the_email_address(self):
        pin = issue(email='Ada@example.com')

        with pytest.raises(WrongPin):
            verify_pin('verification', pin, emails=[ADA])
        verified = verify_pin('verification', pin, emails=[ADA, 'Ada@example.com'])
        assert verified.email == 'Ada@example.com'

    @pytest.mark.parametrize(
        ('inside', 'last', 'outside'),
        [
            ('203.0.113.{}', '203.0.113.255', '203.0.114.1'),
            ('2001:db8:1:2::{}', '2001:db8:1:2:ffff::1', '2001:db8:1:3::1'),
        ],
    )
    def test_throttles_a_network_after_25_wrong_pins(
        self, set_client_ip, inside, last, outside, travel
    ):
        pin, code, start = issue(), issue('password-reset', mails=3), now()
        with travel(to=start):
            for number in range(25):
                set_client_ip(inside.format(number))
                with pytest.raises(WrongPin):
                    verify('000000', email=f'user{number}@example.com')
            set_client_ip(last)
            with pytest.raises(TooManyAttempts) as rejection:
                verify(pin)
            assert verify(code, 'password-reset')
            set_client_ip(outside)
            assert verify(pin)

        assert rejection.value.headers['Retry-After'] == '900'

    def test_counts_no_attempt_of_a_throttled_network(self, set_client_ip):
        pin = issue()
        set_client_ip('203.0.113.1')
        for _ in range(25):
            with pytest.raises(WrongPin):
                verify('000000', email='bob@example.com')
        for _ in range(5):
            with pytest.raises(TooManyAttempts):
                verify('000000')

        set_client_ip('198.51.100.1')
        assert verify(pin)


class TestCodes:
    """Codes of 80 bits, which replace PINs from the third mail of a day on."""

    @pytest.mark.parametrize(('mails', 'is_code'), [(1, False), (2, False), (3, True), (10, True)])
    def test_replace_pins_from_the_third_mail_of_a_day_on(self, mails, is_code):
        text = issue(mails=mails)

        assert text.isdigit() is not is_code
        assert not is_code or re.fullmatch('(?:[A-Z2-7]{4}-){3}[A-Z2-7]{4}', text)

    @pytest.mark.parametrize('typed', [str, str.lower, lambda code: code.replace('-', '')])
    def test_may_be_typed_in_any_case_and_without_dashes(self, typed):
        assert verify(typed(issue(mails=3)))

    def test_expire_after_a_day(self, travel):
        code, issued = issue(mails=3), now()

        with travel(to=issued + CODE_LIFETIME - timedelta(seconds=2)):
            assert verify(code)
        with (
            travel(to=issued + CODE_LIFETIME + timedelta(seconds=1)),
            pytest.raises(WrongPin),
        ):
            verify(code)

        assert timedelta(hours=24) == CODE_LIFETIME

    def test_stay_valid_after_wrong_pins_and_codes(self):
        code = issue(mails=3)
        for number in range(30):
            with pytest.raises(WrongPin):
                verify(other_than(code) if number % 2 else '000000')

        assert verify(code)

    def test_do_not_count_as_attempts_of_a_pin_or_a_network(self, set_client_ip):
        set_client_ip('203.0.113.1')
        pin = issue()
        for _ in range(30):
            with pytest.raises(WrongPin):
                verify('A' * 16)

        assert PIN_NETWORK.count_of('203.0.113.0/24') == 0
        assert verify(pin)

    def test_are_rejected_after_their_use(self):
        verified = verify(issue(mails=3))
        consume(verified)

        with pytest.raises(WrongPin):
            consume(verified)


class TestConsumePin:
    def test_rejects_a_second_use(self):
        mark = verify(issue())
        consume(mark)

        with pytest.raises(WrongPin):
            consume(mark)

    def test_rejects_a_pin_if_a_newer_one_was_issued(self, monkeypatch):
        numbers = iter([111_111, 222_222])
        monkeypatch.setattr(secrets, 'randbelow', lambda _limit: next(numbers))
        mark = verify(issue())
        issue()

        with pytest.raises(WrongPin):
            consume(mark)

    def test_restores_the_attempt(self):
        for _ in range(25):
            consume(verify(issue()))

        assert verify(issue())
