"""HTTP: list security events."""

from tests.auth.factories import account
from tests.kit.responses import data


class TestEventList:
    def test_returns_the_events_of_the_user(self, logged_in):
        ada = logged_in(account())

        [login] = data(ada.get('/api/v1/auth/events'))['items']

        assert (login['kind'], login['outcome'], login['actor']) == ('login', 'success', 'self')
        assert login['details']['new_device'] is True
