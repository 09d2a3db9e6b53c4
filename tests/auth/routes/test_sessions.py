"""HTTP: log in, refresh and reauthenticate, list and end sessions."""

import unicodedata
from datetime import timedelta
from uuid import uuid4

import pytest

from project.auth.models import Session
from project.core.clock import now
from project.core.database.session import db
from project.core.security.tokens import new_token
from tests.auth.conftest import SESSIONS
from tests.auth.factories import PASSWORD, RegistrationFactory, SessionFactory, account
from tests.auth.routes.response_signature import response_signature
from tests.kit.responses import data, fails_with

ME = '/api/v1/users/me'


class TestSessionCreate:
    def test_returns_a_token(self, client, bearer):
        user = account(username='ada')

        response = client.post(
            SESSIONS,
            json={'user_or_email': 'ada', 'password': PASSWORD},
            headers={'User-Agent': 'browser/1'},
            environ_base={'REMOTE_ADDR': '192.0.2.9'},
        )

        assert response.status_code == 201
        login = data(response)
        assert set(login) == {
            'token', 'token_type', 'expires_at', 'refresh_token', 'refresh_expires_at', 'device',
            'session', 'user',
        }  # fmt: skip
        assert (login['token_type'], login['user']['id']) == ('Bearer', user.id)
        assert login['session']['user_agent'] == 'browser/1'
        assert login['session']['address'] == '192.0.2.9'
        assert login['session']['current'] is True
        assert 'no-store' in response.headers['Cache-Control']
        assert data(bearer(login['token']).get(ME))['username'] == 'ada'

    def test_returns_the_same_for_known_and_unknown_users(self, client, queries):
        account(username='ada', email='ada@example.com')
        answers, ran = [], {}

        for login in ('ada', 'nobody'):
            with queries(max=20) as ran[login]:
                body = {'user_or_email': login, 'password': 'wrong'}
                answers.append(client.post(SESSIONS, json=body))

        fails_with(answers[0], 'credentials', status=401)
        assert answers[0].headers['WWW-Authenticate'] == 'Bearer realm="api"'
        assert response_signature(answers[0]) == response_signature(answers[1])
        assert ran['ada'] == ran['nobody']

    @pytest.mark.parametrize(
        ('password', 'code', 'field'), [(PASSWORD, 403, 'email'), ('wrong', 401, 'credentials')]
    )
    def test_reveals_a_pending_registration_only_with_its_password(
        self, client, password, code, field
    ):
        RegistrationFactory(username='ada')

        response = client.post(SESSIONS, json={'user_or_email': 'ada', 'password': password})

        fails_with(response, field, status=code)

    @pytest.mark.parametrize(
        ('password', 'code', 'field'), [(PASSWORD, 403, 'status'), ('wrong', 401, 'credentials')]
    )
    def test_reveals_a_disabled_account_only_with_its_password(self, client, password, code, field):
        account(username='ada', disabled=True)

        response = client.post(SESSIONS, json={'user_or_email': 'ada', 'password': password})

        fails_with(response, field, status=code)

    def test_counts_wrong_passwords_although_it_rejects_them(self, client, travel):
        account(username='ada', email='ada@example.com')
        start = now()
        with travel(to=start):
            for login in ['ada', 'ADA', 'Ada', 'adA', 'aDA'] * 2:
                body = {'user_or_email': login, 'password': 'wrong'}
                assert client.post(SESSIONS, json=body).status_code == 401
            right = {'user_or_email': 'ada', 'password': PASSWORD}
            response = client.post(SESSIONS, json=right)

        fails_with(response, 'attempts', status=429)
        assert 890 <= int(response.headers['Retry-After']) <= 900
        with travel(to=start + timedelta(minutes=15, seconds=1)):
            assert client.post(SESSIONS, json=right).status_code == 201

    @pytest.mark.parametrize('form', ['NFC', 'NFD'])
    def test_accepts_a_password_in_any_unicode_normal_form(self, client, form):
        account('Caf\N{LATIN SMALL LETTER E WITH ACUTE} au lait', username='ada')
        typed = unicodedata.normalize(form, 'Caf\N{LATIN SMALL LETTER E WITH ACUTE} au lait')

        response = client.post(SESSIONS, json={'user_or_email': 'ada', 'password': typed})

        assert response.status_code == 201

    @pytest.mark.parametrize('tail', ['', ' ', 'X', 'xx'])
    def test_compares_all_characters_of_a_password(self, client, tail):
        account('x' * 80, username='ada')

        body = {'user_or_email': 'ada', 'password': 'x' * 79 + tail}

        assert client.post(SESSIONS, json=body).status_code == 401

    @pytest.mark.parametrize(
        ('changes', 'field'),
        [
            ({'password': 'x' * 129}, 'password'),
            ({'password': ''}, 'password'),
            ({'password': None}, 'password'),
            ({'user_or_email': 'x' * 255}, 'user_or_email'),
            ({'user_or_email': ''}, 'user_or_email'),
            ({'user_or_email': ['ada']}, 'user_or_email'),
            ({'user_or_email': {'$ne': ''}}, 'user_or_email'),
            ({'user_id': 1}, 'user_id'),
        ],
    )
    def test_rejects_invalid_values_without_hashing(self, client, argon2_calls, changes, field):
        body = {'user_or_email': 'ada', 'password': PASSWORD, **changes}

        with argon2_calls() as done:
            response = client.post(SESSIONS, json=body)

        fails_with(response, field)
        assert done == []

    def test_sets_no_cookie(self, client):
        account(username='ada')

        response = client.post(SESSIONS, json={'user_or_email': 'ada', 'password': PASSWORD})

        assert response.status_code == 201
        assert 'Set-Cookie' not in response.headers


class TestSessionList:
    def test_returns_own_sessions_and_marks_the_current_one(self, logged_in):
        user = account()
        SessionFactory()
        first, client = logged_in(user, agent='phone'), logged_in(user, agent='laptop')

        items = data(client.get(SESSIONS))['items']

        assert [(item['user_agent'], item['current']) for item in items] == [
            ('laptop', True),
            ('phone', False),
        ]
        assert [item['current'] for item in data(first.get(SESSIONS))['items']] == [False, True]
        assert set(items[0]) == {
            'id', 'created_at', 'last_used_at', 'expires_at', 'address', 'user_agent', 'current',
        }  # fmt: skip

    def test_returns_a_cursor_to_the_next_page(self, logged_in):
        user = account()
        clients = [logged_in(user) for _ in range(3)]

        first = data(clients[0].get(f'{SESSIONS}?limit=2'))
        second = data(clients[0].get(f'{SESSIONS}?limit=2&cursor={first["next"]}'))

        assert len({item['id'] for item in first['items'] + second['items']}) == 3
        assert second['next'] is None

    @pytest.mark.parametrize(
        ('query', 'field'),
        [('limit=0', 'limit'), ('sort=token_hash', 'sort'), ('user_id=1', 'user_id'),
         ('cursor=x', 'cursor')],
    )  # fmt: skip
    def test_rejects_an_invalid_query(self, logged_in, query, field):
        response = logged_in(account()).get(f'{SESSIONS}?{query}')

        fails_with(response, field)

    def test_rejects_api_keys(self, as_key):
        client = as_key(scopes={'profile:read'})

        assert client.get(SESSIONS).status_code == 403


class TestSessionDeleteOthers:
    def test_ends_all_other_sessions_immediately(self, logged_in):
        user = account()
        phone, laptop, foreign = logged_in(user), logged_in(user), logged_in(account())

        response = laptop.delete(SESSIONS)

        assert (response.status_code, data(response)) == (200, None)
        codes = [client.get(ME).status_code for client in (phone, laptop, foreign)]
        assert codes == [401, 200, 200]


class TestSessionDeleteCurrent:
    def test_ends_the_current_session_immediately(self, logged_in):
        user = account()
        phone, laptop = logged_in(user), logged_in(user)

        assert data(laptop.delete(f'{SESSIONS}/current')) is None

        response = laptop.get(ME)
        fails_with(response, 'authorization', status=401)
        assert laptop.delete(f'{SESSIONS}/current').status_code == 401
        assert phone.get(ME).status_code == 200


class TestSessionDelete:
    def test_ends_the_given_session_immediately(self, logged_in):
        user = account()
        phone, laptop = logged_in(user), logged_in(user)
        [session_id] = [
            item['id'] for item in data(laptop.get(SESSIONS))['items'] if not item['current']
        ]

        response = laptop.delete(f'{SESSIONS}/{session_id}')

        assert response.status_code == 200
        assert (phone.get(ME).status_code, laptop.get(ME).status_code) == (401, 200)
        assert laptop.delete(f'{SESSIONS}/{session_id}').status_code == 404

    def test_returns_the_same_for_a_foreign_and_an_unknown_session(self, logged_in):
        client, foreign = logged_in(account()), SessionFactory()

        foreign_response = client.delete(f'{SESSIONS}/{foreign.id}')
        unknown_response = client.delete(f'{SESSIONS}/{uuid4()}')

        for response in (foreign_response, unknown_response):
            fails_with(response, 'session', status=404, reason='No such session')
        assert db.session.get(Session, foreign.id)

    @pytest.mark.parametrize('session_id', ['1', 'x', '2147483648', 'current1'])
    def test_returns_404_for_an_id_that_is_not_a_uuid(self, logged_in, session_id):
        response = logged_in(account()).delete(f'{SESSIONS}/{session_id}')

        fails_with(response, 'url', status=404)


class TestSessionRefresh:
    def test_returns_two_new_tokens_without_an_authorization_header(self, client, bearer):
        account(username='ada')
        login = {'user_or_email': 'ada', 'password': PASSWORD}
        opened = data(client.post(SESSIONS, json=login))

        response = client.post(
            f'{SESSIONS}/refresh', json={'refresh_token': opened['refresh_token']}
        )

        assert response.status_code == 200
        assert data(bearer(data(response)['token']).get(ME))['username'] == 'ada'

    def test_returns_401_for_an_unknown_refresh_token(self, client):
        response = client.post(f'{SESSIONS}/refresh', json={'refresh_token': new_token('prt')})

        fails_with(response, 'refresh_token', status=401)


class TestSessionReauthenticate:
    def test_returns_new_tokens_of_a_fresh_login(self, bearer):
        user = account()
        token = new_token('pst')
        SessionFactory(user=user, token=token, stale=True)
        stale = bearer(token)
        assert stale.delete(ME).status_code == 403

        response = stale.post(f'{SESSIONS}/current/reauthentication', json={'password': PASSWORD})

        assert response.status_code == 201
        assert stale.get(ME).status_code == 401
        assert bearer(data(response)['token']).delete(ME).status_code == 200
