"""Service: issue, verify and consume PINs."""

import secrets
from datetime import timedelta

import pytest
import time_machine

from project.auth.errors import WrongPin
from project.auth.models import Pin
from project.auth.service.pins import PIN_LIFETIME, consume_pin, issue_pin, verify_pin
from project.core.clock import now
from project.core.database.session import atomic, db
from project.core.throttling import TooManyAttempts
from tests.auth.pins import other_than

ADA = 'ada@example.com'


def issue(purpose='verification', key=ADA):
    """Return a new PIN."""
    with atomic():
        return issue_pin(purpose, key)


def consume(mark, key=ADA):
    """Use a PIN up."""
    with atomic():
        consume_pin('verification', key, mark)


def stored():
    """Return the only PIN in the database."""
    return db.session.execute(db.select(Pin.code_hmac, Pin.attempts_left)).one()


class TestIssuePin:
    def test_is_six_digits_as_text(self):
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
        assert verify_pin('verification', ADA, pin)

    def test_stores_an_hmac_and_not_the_pin(self):
        pin = issue()

        assert len(stored().code_hmac) == 32
        assert pin.encode() not in stored().code_hmac

    def test_depends_on_the_secret_key(self, app, monkeypatch):
        pin = issue()
        monkeypatch.setitem(app.config, 'SECRET_KEY', 'another ' * 5)

        with pytest.raises(WrongPin):
            verify_pin('verification', ADA, pin)

    def test_lives_through_a_change_of_the_secret_key(self, app, monkeypatch):
        pin = issue()
        monkeypatch.setitem(app.config, 'SECRET_KEY_FALLBACKS', [app.config['SECRET_KEY']])
        monkeypatch.setitem(app.config, 'SECRET_KEY', 'another ' * 5)

        assert verify_pin('verification', ADA, pin)

    def test_makes_older_ones_void(self, monkeypatch):
        numbers = iter([111_111, 222_222])
        monkeypatch.setattr(secrets, 'randbelow', lambda _limit: next(numbers))
        old, new = issue(), issue()

        with pytest.raises(WrongPin):
            verify_pin('verification', ADA, old)

        assert verify_pin('verification', ADA, new)

    def test_leaves_those_of_others_and_for_other_purposes(self):
        pin = issue()
        issue(key='bob@example.com')
        issue(purpose='password-reset')

        assert verify_pin('verification', ADA, pin)


class TestTryPin:
    def test_rejects_a_wrong_one(self):
        with pytest.raises(WrongPin):
            verify_pin('verification', ADA, other_than(issue()))

    def test_rejects_where_there_is_none(self):
        with pytest.raises(WrongPin):
            verify_pin('verification', ADA, '000000')

    def test_is_bound_to_its_address(self):
        pin = issue()
        issue(key='bob@example.com')

        with pytest.raises(WrongPin):
            verify_pin('verification', 'bob@example.com', pin)

    def test_is_bound_to_its_purpose(self):
        pin = issue()
        issue(purpose='password-reset')

        with pytest.raises(WrongPin):
            verify_pin('password-reset', ADA, pin)

    def test_works_for_ten_minutes(self):
        pin, issued = issue(), now()

        with time_machine.travel(issued + PIN_LIFETIME - timedelta(seconds=2), tick=False):
            assert verify_pin('verification', ADA, pin)
        with (
            time_machine.travel(issued + PIN_LIFETIME + timedelta(seconds=1), tick=False),
            pytest.raises(WrongPin),
        ):
            verify_pin('verification', ADA, pin)

        assert timedelta(minutes=10) == PIN_LIFETIME

    def test_rejects_the_right_one_after_five_wrong_ones(self):
        pin = issue()
        for _ in range(5):
            with pytest.raises(WrongPin):
                verify_pin('verification', ADA, other_than(pin))

        with pytest.raises(WrongPin):
            verify_pin('verification', ADA, pin)

        assert stored().attempts_left == 0

    def test_takes_the_right_one_after_four_wrong_ones(self):
        pin = issue()
        for _ in range(4):
            with pytest.raises(WrongPin):
                verify_pin('verification', ADA, other_than(pin))

        assert verify_pin('verification', ADA, pin)

    def test_stops_at_twenty_a_day_for_an_address(self):
        start = now()
        with time_machine.travel(start, tick=False):
            for _ in range(4):
                pin = issue()
                for _ in range(5):
                    with pytest.raises(WrongPin):
                        verify_pin('verification', ADA, other_than(pin))
            pin = issue()
            with pytest.raises(TooManyAttempts) as refusal:
                verify_pin('verification', ADA, pin)

        assert int(refusal.value.headers['Retry-After']) in (86_400, 86_401)
        with time_machine.travel(start + timedelta(days=1, seconds=1), tick=False):
            pin = issue()
            assert verify_pin('verification', ADA, pin)

    @pytest.mark.parametrize(
        ('inside', 'last', 'outside'),
        [
            ('203.0.113.{}', '203.0.113.255', '203.0.114.1'),
            ('2001:db8:1:2::{}', '2001:db8:1:2:ffff::1', '2001:db8:1:3::1'),
        ],
    )
    def test_stops_at_a_hundred_a_day_for_a_network(self, set_client_ip, inside, last, outside):
        for number in range(100):
            set_client_ip(inside.format(number))
            with pytest.raises(WrongPin):
                verify_pin('verification', f'user{number}@example.com', '000000')
        pin = issue()

        set_client_ip(last)
        with pytest.raises(TooManyAttempts):
            verify_pin('verification', ADA, pin)

        set_client_ip(outside)
        assert verify_pin('verification', ADA, pin)

    def test_costs_no_attempt_where_the_network_is_exhausted(self, set_client_ip, monkeypatch):
        monkeypatch.setattr('project.auth.service.pins.MAX_DAILY_ATTEMPTS_PER_NETWORK', 1)
        set_client_ip('203.0.113.1')
        with pytest.raises(WrongPin):
            verify_pin('verification', 'bob@example.com', '000000')

        for _ in range(20):
            with pytest.raises(TooManyAttempts):
                verify_pin('verification', ADA, '000000')

        set_client_ip('198.51.100.1')
        assert verify_pin('verification', ADA, issue())


class TestConsumePin:
    def test_works_once(self):
        mark = verify_pin('verification', ADA, issue())
        consume(mark)

        with pytest.raises(WrongPin):
            consume(mark)

    def test_rejects_when_a_newer_one_was_issued(self, monkeypatch):
        numbers = iter([111_111, 222_222])
        monkeypatch.setattr(secrets, 'randbelow', lambda _limit: next(numbers))
        mark = verify_pin('verification', ADA, issue())
        issue()

        with pytest.raises(WrongPin):
            consume(mark)

    def test_restores_the_attempt(self):
        for _ in range(25):
            consume(verify_pin('verification', ADA, issue()))

        assert verify_pin('verification', ADA, issue())
