"""HTTP: what strangers send keeps no owner out for more than 15 minutes (ASVS 6.1.1)."""

import pyotp
import pytest
import time_machine
from limits import parse

from project.auth.service import confirm_totp, log_in, start_totp_enrolment
from project.core.clock import now
from tests.auth.factories import PASSWORD, account
from tests.auth.pins import other_than, pin_in
from tests.client import data
from tests.users.factories import AdminFactory, principal_of

API = '/api/v1/auth'
ADA, NEW = 'ada@example.com', 'Difference engine, 1822'
QUARTER = 15 * 60
HERE, ELSEWHERE = '203.0.113.7', '198.51.100.7'


@pytest.fixture
def clock():
    """Time that stands still until it is shifted."""
    with time_machine.travel(now(), tick=False) as clock:
        yield clock


@pytest.fixture
def ada():
    """The owner of an account."""
    return account(username='ada', email=ADA)


@pytest.fixture
def send(app):
    """Return a function that sends a request and returns status and data."""

    def send(method, path, address=HERE, token=None, **body):
        headers = {'Authorization': f'Bearer {token}'} if token else {}
        return app.test_client().open(
            API + path, method=method, json=body, headers=headers,
            environ_base={'REMOTE_ADDR': address},
        )  # fmt: skip

    return send


@pytest.fixture
def enter(send):
    """Return a function that logs Ada in."""

    def enter(password=PASSWORD, address=HERE, login='ada', **more):
        return send('POST', '/sessions', address, user_or_email=login, password=password, **more)

    return enter


@pytest.fixture
def ask(send, mailbox):
    """Return a function that asks for a reset and returns the PIN or code of the newest mail."""

    def ask(address=HERE):
        assert send('POST', '/password-resets', address, email=ADA).status_code == 202
        subject = 'Your code for a new password'
        return pin_in([mail for mail in mailbox() if mail['Subject'] == subject][-1])

    return ask


@pytest.fixture
def reset(send):
    """Return a function that resets Ada's password."""

    def reset(pin, address=HERE):
        return send('PUT', '/password-resets', address, email=ADA, pin=pin, new_password=NEW)

    return reset


def enrol(user):
    """Turn a second factor on; return the authenticator and the recovery codes."""
    authenticator = pyotp.TOTP(start_totp_enrolment(principal_of(user)).secret)
    return authenticator, confirm_totp(principal_of(user), authenticator.at(now()))


class TestPins:
    def test_wrong_ones_for_an_address_from_everywhere(self, ada, ask, reset, enter):
        """Each PIN of the owner is used up at once; the third mail carries a code."""
        for mail in range(3):
            pin = ask()
            for number in range(20):
                wrong = reset(other_than(pin), f'198.51.{mail}{number}.7')
                assert wrong.status_code == 422

        answer = reset(pin)

        assert answer.status_code == 200
        assert enter(NEW, device=data(answer)['device']).status_code == 201

    def test_wrong_ones_from_the_network_of_the_owner(self, ada, ask, reset, send, clock):
        for number in range(100):
            body = {'email': f'nobody{number}@example.com', 'pin': '000000', 'new_password': NEW}
            send('PUT', '/password-resets', '203.0.113.99', **body)
        locked = reset(ask())
        assert locked.status_code == 429
        assert int(locked.headers['Retry-After']) <= QUARTER

        clock.shift(QUARTER)

        assert reset(ask()).status_code == 200

    def test_wrong_ones_from_the_network_of_the_owner_without_an_end(self, ada, ask, reset, send):
        for number in range(30):
            body = {'email': f'nobody{number}@example.com', 'pin': '000000', 'new_password': NEW}
            send('PUT', '/password-resets', '203.0.113.99', **body)
        ask()
        ask()

        assert reset(ask()).status_code == 200

    def test_all_mails_of_the_day(self, ada, ask, reset):
        for _ in range(11):
            code = ask(ELSEWHERE)

        assert reset(code).status_code == 200

    def test_all_mails_of_the_day_before_there_was_an_account(self, ask, reset, send):
        for _ in range(10):
            assert send('POST', '/password-resets', ELSEWHERE, email=ADA).status_code == 202
        account(username='ada', email=ADA)

        assert reset(ask()).status_code == 200


class TestRegistrations:
    @pytest.fixture
    def register(self, send, mailbox):
        """Return a function that registers an account and returns the newest mail."""

        def register(username, email, password=PASSWORD, address=HERE):
            body = {'username': username, 'email': email, 'password': password}
            assert send('POST', '/accounts', address, **body).status_code == 202
            return mailbox()[-1]

        return register

    @pytest.fixture
    def verify(self, send):
        """Return a function that verifies Ada's email address."""

        def verify(mail):
            body = {'email': ADA, 'pin': pin_in(mail), 'password': PASSWORD}
            return send('PUT', '/verifications', **body)

        return verify

    def test_mails_requested_before_there_was_a_registration(self, register, verify, send):
        for _ in range(10):
            assert send('POST', '/verifications', ELSEWHERE, email=ADA).status_code == 202

        assert verify(register('ada', ADA)).status_code == 201

    def test_all_mails_of_the_day_to_another_spelling(self, register, verify, send, mailbox):
        """One mailbox may have both."""
        other = ADA.capitalize()
        register('mallory', other, NEW, ELSEWHERE)
        for _ in range(10):
            assert send('POST', '/verifications', ELSEWHERE, email=other).status_code == 202
        assert len(mailbox()) == 10

        mail = register('ada', ADA)
        send('POST', '/verifications', ELSEWHERE, email=other)

        assert (mail['To'], len(mailbox())) == (ADA, 11)
        assert verify(mail).status_code == 201


def test_wrong_codes_at_an_invited_address(send, mailbox, as_user, app):
    body = {'email': 'eve@example.com', 'password': PASSWORD, 'username': 'eve'}
    as_user(AdminFactory()).post(f'{API}/invitations', json={'email': 'eve@example.com'})
    code = pin_in(mailbox()[-1])
    for _ in range(30):
        assert send('PUT', '/invitations', code='A' * 16, **body).status_code == 422

    assert send('PUT', '/invitations', code=code, **body).status_code == 201


class TestPasswords:
    @pytest.fixture
    def lock_names(self, enter):
        """Return a function that uses up the attempts at both names."""

        def lock_names():
            for login in ('ada', ADA) * 11:
                enter('wrong', ELSEWHERE, login)
            assert enter().status_code == enter(login=ADA).status_code == 429

        return lock_names

    def test_an_open_session_still_changes_it(self, ada, enter, lock_names, send):
        token = data(enter())['token']
        lock_names()

        body = {'current_password': PASSWORD, 'new_password': NEW}
        assert send('PUT', '/password', token=token, **body).status_code == 200

    def test_a_known_device_still_logs_in(self, ada, enter, lock_names):
        device = data(enter())['device']
        lock_names()

        assert enter(device=device).status_code == 201

    def test_a_reset_makes_a_known_device(self, ada, enter, lock_names, ask, reset):
        lock_names()
        device = data(reset(ask()))['device']
        for login in ('ada', ADA) * 11:
            enter('wrong', ELSEWHERE, login)

        assert enter(NEW, device=device).status_code == 201


class TestSecondFactors:
    """The stranger knows the password."""

    @pytest.fixture
    def enrolled(self, ada, clock, enter):
        """The authenticator, the recovery codes and a login from before."""
        before = log_in(user_or_email='ada', password=PASSWORD)
        authenticator, codes = enrol(ada)
        clock.shift(60)
        for _ in range(10):
            assert enter(address=ELSEWHERE, otp='000000').status_code == 401
        assert enter(otp=authenticator.at(now())).status_code == 429
        return authenticator, codes, before

    def test_a_known_device_still_logs_in(self, enrolled, enter):
        authenticator, _, before = enrolled

        assert enter(device=before.device, otp=authenticator.at(now())).status_code == 201

    def test_a_recovery_code_still_logs_in(self, enrolled, enter):
        assert enter(recovery_code=enrolled[1][0]).status_code == 201

    def test_a_session_still_shows_it_again(self, enrolled, send):
        authenticator, _, before = enrolled
        body = {'password': PASSWORD, 'otp': authenticator.at(now())}

        answer = send('POST', '/sessions/current/reauthentication', token=before.token, **body)

        assert answer.status_code == 201

    def test_a_new_device_logs_in_after_a_reset(self, enrolled, ask, reset, enter):
        device = data(reset(ask()))['device']

        assert enter(NEW, device=device, otp=enrolled[0].at(now())).status_code == 201

    def test_a_mail_tells_the_owner(self, enrolled, mailbox):
        """ASVS 6.3.5."""
        assert 'A wrong second factor at a login' in [mail['Subject'] for mail in mailbox()]


def test_requests_from_the_network_of_the_owner(app):
    """Who is not logged in is limited by network: no longer than 15 minutes."""
    limits = {
        f'{route[1]} {route[0]}': parse(spec.limit).get_expiry()
        for route, spec in app.extensions['endpoint_specs'].items()
        if route[0].startswith('api_v1.auth.') and spec.limit
    }

    assert len(limits) >= 10
    assert max(limits.values()) <= QUARTER
