"""HTTP: change and reset passwords."""

import pytest

from project.auth.service import log_in
from tests.auth.conftest import SESSIONS
from tests.auth.factories import PASSWORD, account
from tests.kit.responses import data, fails_with

URL = '/api/v1/auth'
ME = '/api/v1/users/me'
NEW = 'Difference engine, 1822'


class TestPasswordReplace:
    @pytest.fixture
    def change(self):
        """Return a function that sends the request to change the password."""

        def put(client, current=PASSWORD, new=NEW, **more):
            body = {'current_password': current, 'new_password': new, **more}
            return client.put(f'{URL}/password', json=body)

        return put

    def test_sets_the_new_password_and_ends_the_other_sessions(
        self, client, logged_in, change, mailbox
    ):
        user = account(username='ada')
        phone, laptop = logged_in(user, agent='phone'), logged_in(user)

        response = change(laptop)

        assert (response.status_code, data(response)) == (200, None)
        assert (phone.get(ME).status_code, laptop.get(ME).status_code) == (401, 200)
        old = client.post(SESSIONS, json={'user_or_email': 'ada', 'password': PASSWORD})
        new = client.post(SESSIONS, json={'user_or_email': 'ada', 'password': NEW})
        assert (old.status_code, new.status_code) == (401, 201)
        assert 'Your password was changed' in [mail['Subject'] for mail in mailbox()]

    def test_rejects_a_wrong_current_password_and_counts_it_by_session(
        self, client, logged_in, change
    ):
        user = account(username='ada')
        laptop = logged_in(user)
        for _ in range(10):
            response = change(laptop, current='wrong')
            fails_with(response, 'current_password')

        right = change(laptop)
        login = client.post(SESSIONS, json={'user_or_email': 'ada', 'password': PASSWORD})

        assert login.status_code == 201
        fails_with(right, 'attempts', status=429)

    @pytest.mark.parametrize(
        'password',
        ['password', 'lovelace', 'countess@example.com', 'flaskflask', 'zqk93v7', '', 'x' * 129],
    )
    def test_rejects_an_unsuitable_new_password(self, logged_in, change, password):
        user = account(username='lovelace', email='countess@example.com')

        response = change(logged_in(user), new=password)

        fails_with(response, 'new_password')
        assert log_in(user_or_email='lovelace', password=PASSWORD)

    @pytest.mark.parametrize('length', [8, 64, 128])
    def test_accepts_8_to_128_characters(self, client, logged_in, change, length):
        user, password = account(username='ada'), ('zqk93v7\N{SNOWMAN}' * 16)[:length]

        assert change(logged_in(user), new=password).status_code == 200

        login = client.post(SESSIONS, json={'user_or_email': 'ada', 'password': password})
        assert login.status_code == 201

    def test_rejects_an_unknown_field(self, logged_in, change):
        response = change(logged_in(account()), user_id=1)

        fails_with(response, 'user_id')

    def test_requires_a_login(self, client, change):
        assert change(client).status_code == 401


class TestPasswordResets:
    def test_set_a_new_password(self, client, mailbox):
        account(username='ada', email='ada@example.com')

        asked = client.post('/api/v1/auth/password-resets', json={'email': 'ada@example.com'})
        body = {'email': 'ada@example.com', 'pin': mailbox.latest().code, 'new_password': NEW}
        done = client.put('/api/v1/auth/password-resets', json=body)
        again = client.put('/api/v1/auth/password-resets', json=body)

        assert (asked.status_code, done.status_code) == (202, 200)
        fails_with(again, 'pin')

    def test_return_the_same_for_known_and_unknown_email_addresses(self, client):
        account(email='ada@example.com')

        answers = [
            client.post('/api/v1/auth/password-resets', json={'email': f'{name}@example.com'})
            for name in ('ada', 'nobody')
        ]

        assert answers[0].data == answers[1].data
        assert answers[0].status_code == answers[1].status_code == 202
