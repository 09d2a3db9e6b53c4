"""HTTP: strangers cannot lock the owner out of an account for more than 15 minutes.

This is requirement 6.1.1 of OWASP ASVS.
"""

import pyotp
import pytest
from limits import parse

from project.auth.service import confirm_totp, log_in, start_totp_enrolment
from project.core.clock import now
from tests.auth.factories import PASSWORD, account
from tests.auth.pins import other_than
from tests.kit.responses import data
from tests.users.factories import AdminFactory, principal_of

API = '/api/v1/auth'
ADA, NEW = 'ada@example.com', 'Difference engine, 1822'
MAX_LOCKOUT_SECONDS = 15 * 60
OWN_IP_ADDRESS, OTHER_IP_ADDRESS = '203.0.113.7', '198.51.100.7'


@pytest.fixture
def ada():
    """Return the user whom the strangers try to lock out."""
    return account(username='ada', email=ADA)


@pytest.fixture
def send(app):
    """Return a function that sends a JSON request from an IP address."""

    def send(method, path, address=OWN_IP_ADDRESS, token=None, **body):
        headers = {'Authorization': f'Bearer {token}'} if token else {}
        return app.test_client().open(
            API + path, method=method, json=body, headers=headers,
            environ_base={'REMOTE_ADDR': address},
        )  # fmt: skip

    return send


@pytest.fixture
def enter(send):
    """Return a function that sends the request to log in as Ada."""

    def enter(password=PASSWORD, address=OWN_IP_ADDRESS, login='ada', **more):
        return send('POST', '/sessions', address, user_or_email=login, password=password, **more)

    return enter


@pytest.fixture
def request_pin(send, mailbox):
    """Return a function that requests a reset.

    It returns the PIN or code in the newest mail.
    """

    def request_pin(address=OWN_IP_ADDRESS):
        assert send('POST', '/password-resets', address, email=ADA).status_code == 202
        return mailbox.latest('password_reset').code

    return request_pin


@pytest.fixture
def reset(send):
    """Return a function that sends the request to reset Ada's password with a PIN."""

    def reset(pin, address=OWN_IP_ADDRESS):
        return send('PUT', '/password-resets', address, email=ADA, pin=pin, new_password=NEW)

    return reset


def enrol(user):
    """Enable a second factor; return the authenticator app and the recovery codes."""
    authenticator = pyotp.TOTP(start_totp_enrolment(principal_of(user)).secret)
    return authenticator, confirm_totp(principal_of(user), authenticator.at(now()))


class TestPins:
    def test_allow_a_reset_after_wrong_pins_from_many_networks(
        self, ada, request_pin, reset, enter
    ):
        """Strangers immediately use up the attempts of each PIN. The third mail contains a code."""
        for mail in range(3):
            pin = request_pin()
            for number in range(20):
                wrong = reset(other_than(pin), f'198.51.{mail}{number}.7')
                assert wrong.status_code == 422

        answer = reset(pin)

        assert answer.status_code == 200
        assert enter(NEW, device=data(answer)['device']).status_code == 201

    def test_allow_a_reset_15_minutes_after_wrong_pins_from_the_own_network(
        self, ada, request_pin, reset, send, travel
    ):
        for number in range(100):
            body = {'email': f'nobody{number}@example.com', 'pin': '000000', 'new_password': NEW}
            send('PUT', '/password-resets', '203.0.113.99', **body)
        locked = reset(request_pin())
        assert locked.status_code == 429
        assert int(locked.headers['Retry-After']) <= MAX_LOCKOUT_SECONDS

        travel(seconds=MAX_LOCKOUT_SECONDS)

        assert reset(request_pin()).status_code == 200

    def test_allow_a_reset_by_code_during_wrong_pins_from_the_own_network(
        self, ada, request_pin, reset, send
    ):
        for number in range(30):
            body = {'email': f'nobody{number}@example.com', 'pin': '000000', 'new_password': NEW}
            send('PUT', '/password-resets', '203.0.113.99', **body)
        request_pin()
        request_pin()

        assert reset(request_pin()).status_code == 200

    def test_allow_a_reset_after_all_mails_of_the_day(self, ada, request_pin, reset):
        for _ in range(11):
            code = request_pin(OTHER_IP_ADDRESS)

        assert reset(code).status_code == 200

    def test_allow_a_reset_after_all_mails_of_the_day_before_the_registration(
        self, request_pin, reset, send
    ):
        for _ in range(10):
            assert send('POST', '/password-resets', OTHER_IP_ADDRESS, email=ADA).status_code == 202
        account(username='ada', email=ADA)

        assert reset(request_pin()).status_code == 200


class TestRegistrations:
    @pytest.fixture
    def register(self, send, mailbox):
        """Return a function that registers an account; it returns the newest mail."""

        def register(username, email, password=PASSWORD, address=OWN_IP_ADDRESS):
            body = {'username': username, 'email': email, 'password': password}
            assert send('POST', '/accounts', address, **body).status_code == 202
            return mailbox.latest()

        return register

    @pytest.fixture
    def verify(self, send):
        """Return a function that confirms Ada's registration."""

        def verify(mail):
            body = {'email': ADA, 'pin': mail.code, 'password': PASSWORD}
            return send('PUT', '/verifications', **body)

        return verify

    def test_can_be_verified_after_all_mails_of_the_day(self, register, verify, send):
        for _ in range(10):
            assert send('POST', '/verifications', OTHER_IP_ADDRESS, email=ADA).status_code == 202

        assert verify(register('ada', ADA)).status_code == 201

    def test_can_be_verified_after_all_mails_to_another_spelling(
        self, register, verify, send, mailbox
    ):
        """Two spellings of an email address may be one mailbox."""
        other = ADA.capitalize()
        register('mallory', other, NEW, OTHER_IP_ADDRESS)
        for _ in range(10):
            assert send('POST', '/verifications', OTHER_IP_ADDRESS, email=other).status_code == 202
        assert len(mailbox()) == 10

        mail = register('ada', ADA)
        send('POST', '/verifications', OTHER_IP_ADDRESS, email=other)

        assert (mail['To'], len(mailbox())) == (ADA, 11)
        assert verify(mail).status_code == 201


def test_invitation_can_be_accepted_after_wrong_codes(send, mailbox, as_user, app):
    body = {'email': 'eve@example.com', 'password': PASSWORD, 'username': 'eve'}
    as_user(AdminFactory()).post(f'{API}/invitations', json={'email': 'eve@example.com'})
    code = mailbox.latest().code
    for _ in range(30):
        assert send('PUT', '/invitations', code='A' * 16, **body).status_code == 422

    assert send('PUT', '/invitations', code=code, **body).status_code == 201


class TestPasswords:
    @pytest.fixture
    def lock_names(self, enter):
        """Return a function that uses up the attempts of both login names.

        Ada's login names are her username and her email address.
        """

        def lock_names():
            for login in ('ada', ADA) * 11:
                enter('wrong', OTHER_IP_ADDRESS, login)
            assert enter().status_code == enter(login=ADA).status_code == 429

        return lock_names

    def test_can_be_changed_in_an_open_session(self, ada, enter, lock_names, send):
        token = data(enter())['token']
        lock_names()

        body = {'current_password': PASSWORD, 'new_password': NEW}
        assert send('PUT', '/password', token=token, **body).status_code == 200

    def test_are_accepted_from_a_known_device(self, ada, enter, lock_names):
        device = data(enter())['device']
        lock_names()

        assert enter(device=device).status_code == 201

    def test_are_accepted_from_the_device_of_a_reset(
        self, ada, enter, lock_names, request_pin, reset
    ):
        lock_names()
        device = data(reset(request_pin()))['device']
        for login in ('ada', ADA) * 11:
            enter('wrong', OTHER_IP_ADDRESS, login)

        assert enter(NEW, device=device).status_code == 201


class TestSecondFactors:
    """A stranger knows the password, but not the second factor."""

    @pytest.fixture
    def enrolled(self, ada, travel, enter):
        """Enable the second factor, and use up its attempts from another IP address.

        :returns: the authenticator app, the recovery codes, and a session from before.
        """
        before = log_in(user_or_email='ada', password=PASSWORD)
        authenticator, codes = enrol(ada)
        travel(seconds=60)
        for _ in range(10):
            assert enter(address=OTHER_IP_ADDRESS, otp='000000').status_code == 401
        assert enter(otp=authenticator.at(now())).status_code == 429
        return authenticator, codes, before

    def test_are_accepted_from_a_known_device(self, enrolled, enter):
        authenticator, _, before = enrolled

        assert enter(device=before.device, otp=authenticator.at(now())).status_code == 201

    def test_can_be_replaced_by_a_recovery_code(self, enrolled, enter):
        assert enter(recovery_code=enrolled[1][0]).status_code == 201

    def test_are_accepted_for_a_reauthentication(self, enrolled, send):
        authenticator, _, before = enrolled
        body = {'password': PASSWORD, 'otp': authenticator.at(now())}

        answer = send('POST', '/sessions/current/reauthentication', token=before.token, **body)

        assert answer.status_code == 201

    def test_are_accepted_from_the_device_of_a_reset(self, enrolled, request_pin, reset, enter):
        device = data(reset(request_pin()))['device']

        assert enter(NEW, device=device, otp=enrolled[0].at(now())).status_code == 201

    def test_cause_a_notice_to_the_owner(self, enrolled, mailbox):
        """ASVS 6.3.5 requires this notice."""
        assert 'A wrong second factor at a login' in [mail['Subject'] for mail in mailbox()]


def test_rate_limits_last_15_minutes_at_most(app):
    """Rate limits of routes without a login count the requests of a network, not of a user."""
    limits = {
        f'{route[1]} {route[0]}': parse(spec.limit).get_expiry()
        for route, spec in app.extensions['endpoint_specs'].items()
        if route[0].startswith('api_v1.auth.') and spec.limit
    }

    assert len(limits) >= 10
    assert max(limits.values()) <= MAX_LOCKOUT_SECONDS
