"""HTTP: enable and disable a second factor, and renew recovery codes."""

import pyotp
import pytest

from project.core.security.tokens import new_token
from tests.auth.conftest import SESSIONS
from tests.auth.factories import PASSWORD, SessionFactory, account
from tests.kit.responses import data, fails_with


class TestFactors:
    def test_can_be_enabled_and_disabled(self, client, logged_in):
        user = account(username='ada')
        ada = logged_in(user)

        enrolment = data(ada.post('/api/v1/auth/totp'))
        otp = pyotp.TOTP(enrolment['secret']).now()
        codes = data(ada.put('/api/v1/auth/totp', json={'otp': otp}))['recovery_codes']
        login = {'user_or_email': 'ada', 'password': PASSWORD}
        without = client.post(SESSIONS, json=login)
        wrong = client.post(SESSIONS, json={**login, 'recovery_code': 'x'})
        right = client.post(SESSIONS, json={**login, 'recovery_code': codes[0]})
        new = data(ada.post('/api/v1/auth/recovery-codes'))['recovery_codes']
        off = ada.delete('/api/v1/auth/totp')
        again = client.post(SESSIONS, json=login)

        fails_with(without, 'otp', status=401)
        fails_with(wrong, 'recovery_code', status=401)
        assert (right.status_code, off.status_code, again.status_code) == (201, 200, 201)
        assert len(set(codes) | set(new)) == 20

    @pytest.mark.parametrize(
        ('method', 'path'),
        [('POST', 'totp'), ('PUT', 'totp'), ('DELETE', 'totp'), ('POST', 'recovery-codes')],
    )
    def test_require_a_fresh_login(self, bearer, method, path):
        token = new_token('pst')
        SessionFactory(user=account(), token=token, stale=True)

        response = bearer(token).open(f'/api/v1/auth/{path}', method=method, json={'otp': '000000'})

        fails_with(response, 'reauthentication', status=403)
