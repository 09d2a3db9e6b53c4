"""HTTP: change the email address of a user."""

from project.core.security.tokens import new_token
from tests.auth.factories import SessionFactory, account
from tests.kit.responses import data, fails_with

ME = '/api/v1/users/me'


class TestEmailChanges:
    def test_replace_the_email_address(self, logged_in, mailbox):
        ada = logged_in(account(email='ada@example.com'))

        asked = ada.post('/api/v1/auth/email-changes', json={'new_email': 'l@example.com'})
        done = ada.put('/api/v1/auth/email-changes', json={'pin': mailbox.latest().code})

        assert (asked.status_code, done.status_code) == (202, 200)
        assert data(done)['email'] == data(ada.get(ME))['email'] == 'l@example.com'

    def test_require_a_fresh_login(self, bearer):
        token = new_token('pst')
        SessionFactory(user=account(), token=token, stale=True)

        response = bearer(token).post(
            '/api/v1/auth/email-changes', json={'new_email': 'l@example.com'}
        )

        fails_with(response, 'reauthentication', status=403)
