"""Everything under /api/v1/auth."""

import re
import unicodedata
from datetime import timedelta
from uuid import uuid4

import pyotp
import pytest
import time_machine

from project.auth.models import Session
from project.auth.service import log_in
from project.core.clock import now
from project.core.database.session import db
from project.core.security.tokens import new_token
from project.users import service as users
from project.users.models import User
from project.users.schemas import UserSchema
from tests.client import data, reasons
from tests.users.factories import AdminFactory, UserFactory

from .conftest import SESSIONS
from .factories import PASSWORD, RegistrationFactory, SessionFactory, account
from .pins import other_than, pin_in, plain

URL = '/api/v1/auth'
ACCOUNTS, VERIFICATIONS = f'{URL}/accounts', f'{URL}/verifications'
ME = '/api/v1/users/me'
ADA = {'username': 'ada', 'email': 'ada@example.com', 'password': PASSWORD}
NEW = 'Difference engine, 1822'

# What no request of auth may say.
PROTECTED = sorted({*UserSchema().fields, 'admin', 'is_admin', 'password_hash', 'expires_at'})


def response_signature(response):
    """Return all that an answer tells, but the id that is another each time."""
    headers = {name: value for name, value in response.headers if name != 'X-Request-ID'}
    return response.status_code, headers, response.data


class TestAccountCreate:
    def test_says_nothing_and_makes_no_user(self, client, mailbox):
        response = client.post(ACCOUNTS, json={**ADA, 'name': 'Ada'})

        assert (response.status_code, data(response)) == (202, None)
        assert User.find_by_username('ada') is None
        assert len(mailbox()) == 1

    def test_answers_alike_whoever_is_known(self, client, mailbox, assert_max_queries):
        UserFactory(email='known@example.com')

        with assert_max_queries(20) as for_unknown:
            unknown = client.post(ACCOUNTS, json=ADA)
        with assert_max_queries(20) as for_known:
            known = client.post(
                ACCOUNTS, json={**ADA, 'username': 'bob', 'email': 'KNOWN@example.com'}
            )

        assert response_signature(unknown) == response_signature(known)
        assert for_unknown == for_known
        assert {mail['To'] for mail in mailbox()} == {'ada@example.com', 'known@example.com'}

    @pytest.mark.parametrize('username', ['taken', 'TAKEN', 'waiting', 'Waiting'])
    def test_rejects_a_name_that_is_taken_or_waits(self, client, username):
        UserFactory(username='taken')
        RegistrationFactory(username='waiting')

        response = client.post(ACCOUNTS, json={**ADA, 'username': username})

        assert response.status_code == 409
        assert set(reasons(response)) == {'username'}

    @pytest.mark.parametrize(
        ('changes', 'field'),
        [
            ({'username': 'me'}, 'username'),
            ({'username': 'roles'}, 'username'),
            ({'username': 7}, 'username'),
            ({'email': 'nowhere'}, 'email'),
            ({'email': ['ada@example.com', 'eve@example.com']}, 'email'),
            ({'password': 'zqk93v7'}, 'password'),
            ({'password': 'x' * 129}, 'password'),
            ({'password': 12345678}, 'password'),
            ({'password': 'password'}, 'password'),
            ({'name': 'x' * 81}, 'name'),
            ({'name': 'Ada\r\nBcc: eve@example.com'}, 'name'),
        ],
    )
    def test_rejects_what_does_not_fit(self, client, mailbox, changes, field):
        response = client.post(ACCOUNTS, json={**ADA, **changes})

        assert response.status_code == 422
        assert set(reasons(response)) == {field}
        assert mailbox() == []

    @pytest.mark.parametrize('field', sorted(set(PROTECTED) - {'username', 'email', 'name'}))
    def test_rejects_what_the_server_sets(self, client, field):
        response = client.post(ACCOUNTS, json={**ADA, field: 'admin'})

        assert response.status_code == 422
        assert set(reasons(response)) == {field}

    def test_hashes_nothing_that_is_too_long(self, client, argon2_calls):
        with argon2_calls() as done:
            response = client.post(ACCOUNTS, json={**ADA, 'password': 'x' * 129})

        assert response.status_code == 422
        assert done == []

    def test_answers_alike_after_ten_a_day_whoever_is_known(self, client, assert_max_queries):
        UserFactory(email='known@example.com')
        answers, ran = [], []

        with time_machine.travel(now(), tick=False):
            for who in ('known', 'nobody'):
                body = {'email': f'{who}@example.com', 'password': PASSWORD}
                for number in range(10):
                    name = {'username': f'{who}{number}'}
                    assert client.post(ACCOUNTS, json={**body, **name}).status_code == 202
                with assert_max_queries(20) as statements:
                    answers.append(client.post(ACCOUNTS, json={**body, 'username': f'{who}x'}))
                ran.append(statements)

        assert answers[0].status_code == 429
        assert set(reasons(answers[0])) == {'attempts'}
        assert response_signature(answers[0]) == response_signature(answers[1])
        assert ran[0] == ran[1]


class TestVerificationCreate:
    def test_answers_alike_whatever_waits(self, client, mailbox, assert_max_queries):
        UserFactory(email='known@example.com')
        UserFactory(email='both@example.com')
        RegistrationFactory(email='ada@example.com')
        RegistrationFactory(email='both@example.com')
        answers, ran = [], []

        for who in ('ada', 'known', 'both', 'nobody'):
            with assert_max_queries(20) as statements:
                body = {'email': f'{who}@example.com'}
                answers.append(response_signature(client.post(VERIFICATIONS, json=body)))
            ran.append(statements)

        assert answers[0][0] == 202
        assert all(answer == answers[0] for answer in answers)
        assert all(statements == ran[0] for statements in ran)
        # To whom a registration sent a mail goes the next one, and to nobody else.
        assert {mail['To'] for mail in mailbox()} == {'ada@example.com', 'both@example.com'}

    def test_answers_alike_after_ten_a_day_whatever_waits(self, client):
        UserFactory(email='known@example.com')
        RegistrationFactory(email='ada@example.com')
        answers = []

        with time_machine.travel(now(), tick=False):
            for who in ('ada', 'known', 'nobody'):
                body = {'email': f'{who}@example.com'}
                for _ in range(10):
                    assert client.post(VERIFICATIONS, json=body).status_code == 202
                answers.append(client.post(VERIFICATIONS, json=body))

        assert answers[0].status_code == 429
        assert set(reasons(answers[0])) == {'attempts'}
        assert (
            response_signature(answers[0])
            == response_signature(answers[1])
            == response_signature(answers[2])
        )

    def test_rejects_what_does_not_fit(self, client):
        response = client.post(VERIFICATIONS, json={'email': 'nowhere', 'pin': '123456'})

        assert response.status_code == 422
        assert set(reasons(response)) == {'email', 'pin'}


class TestVerificationReplace:
    @pytest.fixture
    def pin(self, client, mailbox):
        """Return the PIN of a registration of Ada's."""
        client.post(ACCOUNTS, json=ADA)
        return pin_in(mailbox()[-1])

    @pytest.fixture
    def verify(self, client):
        """Return a function that confirms it."""

        def put(pin, **changes):
            body = {'email': 'ada@example.com', 'pin': pin, 'password': PASSWORD, **changes}
            return client.put(VERIFICATIONS, json=body)

        return put

    def test_makes_the_user_and_says_where(self, verify, pin, logged_in):
        response = verify(pin)

        assert response.status_code == 201
        assert set(data(response)) == set(UserSchema().fields)
        assert response.headers['Location'] == f'/api/v1/users/{data(response)["id"]}'
        client = logged_in(User.find_by_username('ada'))
        assert data(client.get(response.headers['Location'])) == data(response)

    def test_works_once(self, verify, pin):
        verify(pin)

        response = verify(pin)

        assert response.status_code == 422
        assert reasons(response) == {'pin': ['Wrong or expired']}

    def test_answers_alike_whatever_does_not_fit(self, verify, pin):
        UserFactory(email='known@example.com')

        answers = [
            verify(other_than(pin)),
            verify(pin, password='wrong'),
            verify(pin, email='nobody@example.com'),
            verify(pin, email='known@example.com'),
        ]

        assert {answer.status_code for answer in answers} == {422}
        assert all(
            response_signature(answer) == response_signature(answers[0]) for answer in answers
        )

    def test_remembers_wrong_ones_although_it_rejects(self, verify, pin):
        for _ in range(5):
            assert verify(other_than(pin)).status_code == 422

        assert verify(pin).status_code == 422

    def test_wants_a_pin_as_text(self, verify, pin):
        for wrong in (int(pin), f' {pin}', f'{pin}\n', pin[:5], f'{pin}0', '١٢٣٤٥٦', None, [pin]):
            response = verify(wrong)

            assert response.status_code == 422
            assert set(reasons(response)) == {'pin'}

        # None of that was a guess.
        assert verify(pin).status_code == 201

    def test_stops_after_twenty_a_day(self, client, verify, mailbox):
        client.post(ACCOUNTS, json=ADA)
        for _ in range(20):
            verify('000000', password='wrong')
        client.post(VERIFICATIONS, json={'email': 'ada@example.com'})

        response = verify(pin_in(mailbox()[-1]))

        assert response.status_code == 429
        assert set(reasons(response)) == {'attempts'}
        assert 86_000 < int(response.headers['Retry-After']) <= 86_401

    @pytest.mark.parametrize('field', ['roles', 'status', 'id', 'username', 'admin'])
    def test_rejects_what_the_server_sets(self, verify, pin, field):
        response = verify(pin, **{field: 'admin'})

        assert response.status_code == 422
        assert set(reasons(response)) == {field}


class TestSessionCreate:
    def test_gives_a_token_this_once(self, client, bearer):
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

    def test_answers_alike_whoever_exists(self, client, assert_max_queries):
        account(username='ada', email='ada@example.com')
        answers, ran = [], {}

        for login in ('ada', 'nobody'):
            with assert_max_queries(20) as ran[login]:
                body = {'user_or_email': login, 'password': 'wrong'}
                answers.append(client.post(SESSIONS, json=body))

        assert answers[0].status_code == 401
        assert answers[0].headers['WWW-Authenticate'] == 'Bearer'
        assert set(reasons(answers[0])) == {'credentials'}
        assert response_signature(answers[0]) == response_signature(answers[1])
        assert ran['ada'] == ran['nobody']

    @pytest.mark.parametrize(
        ('password', 'code', 'field'), [(PASSWORD, 403, 'email'), ('wrong', 401, 'credentials')]
    )
    def test_tells_of_a_pending_registration_who_knows_its_password(
        self, client, password, code, field
    ):
        RegistrationFactory(username='ada')

        response = client.post(SESSIONS, json={'user_or_email': 'ada', 'password': password})

        assert response.status_code == code
        assert set(reasons(response)) == {field}

    @pytest.mark.parametrize(
        ('password', 'code', 'field'), [(PASSWORD, 403, 'status'), ('wrong', 401, 'credentials')]
    )
    def test_tells_of_a_disabled_account_who_knows_its_password(
        self, client, password, code, field
    ):
        account(username='ada', disabled=True)

        response = client.post(SESSIONS, json={'user_or_email': 'ada', 'password': password})

        assert response.status_code == code
        assert set(reasons(response)) == {field}

    def test_remembers_wrong_ones_although_it_rejects(self, client):
        account(username='ada', email='ada@example.com')
        start = now()
        with time_machine.travel(start):
            for login in ['ada', 'ADA', 'ada@example.com', 'Ada@Example.com', 'aDA'] * 2:
                body = {'user_or_email': login, 'password': 'wrong'}
                assert client.post(SESSIONS, json=body).status_code == 401
            right = {'user_or_email': 'ada', 'password': PASSWORD}
            response = client.post(SESSIONS, json=right)

        assert response.status_code == 429
        assert set(reasons(response)) == {'attempts'}
        assert 890 <= int(response.headers['Retry-After']) <= 901
        with time_machine.travel(start + timedelta(minutes=15, seconds=1)):
            assert client.post(SESSIONS, json=right).status_code == 201

    @pytest.mark.parametrize('form', ['NFC', 'NFD'])
    def test_takes_a_password_from_any_keyboard(self, client, form):
        account('Caf\N{LATIN SMALL LETTER E WITH ACUTE} au lait', username='ada')
        typed = unicodedata.normalize(form, 'Caf\N{LATIN SMALL LETTER E WITH ACUTE} au lait')

        response = client.post(SESSIONS, json={'user_or_email': 'ada', 'password': typed})

        assert response.status_code == 201

    @pytest.mark.parametrize('tail', ['', ' ', 'X', 'xx'])
    def test_takes_a_password_to_its_last_character(self, client, tail):
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
    def test_rejects_what_does_not_fit_without_hashing(self, client, argon2_calls, changes, field):
        body = {'user_or_email': 'ada', 'password': PASSWORD, **changes}

        with argon2_calls() as done:
            response = client.post(SESSIONS, json=body)

        assert response.status_code == 422
        assert set(reasons(response)) == {field}
        assert done == []

    def test_sets_no_cookie(self, client):
        account(username='ada')

        response = client.post(SESSIONS, json={'user_or_email': 'ada', 'password': PASSWORD})

        assert response.status_code == 201
        assert 'Set-Cookie' not in response.headers


class TestSessionList:
    def test_shows_mine_and_marks_this_one(self, logged_in):
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

    def test_leads_from_page_to_page(self, logged_in):
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
    def test_rejects_a_bad_query(self, logged_in, query, field):
        response = logged_in(account()).get(f'{SESSIONS}?{query}')

        assert response.status_code == 422
        assert set(reasons(response)) == {field}

    def test_is_nothing_for_keys(self, as_user):
        client = as_user(UserFactory(), scopes=frozenset({'profile:read'}))

        assert client.get(SESSIONS).status_code == 403


class TestSessionDeleteOthers:
    def test_ends_all_but_this_one_at_once(self, logged_in):
        user = account()
        phone, laptop, foreign = logged_in(user), logged_in(user), logged_in(account())

        response = laptop.delete(SESSIONS)

        assert (response.status_code, data(response)) == (200, None)
        codes = [client.get(ME).status_code for client in (phone, laptop, foreign)]
        assert codes == [401, 200, 200]


class TestSessionDeleteCurrent:
    def test_ends_this_one_at_once(self, logged_in):
        user = account()
        phone, laptop = logged_in(user), logged_in(user)

        assert data(laptop.delete(f'{SESSIONS}/current')) is None

        response = laptop.get(ME)
        assert response.status_code == 401
        assert set(reasons(response)) == {'authorization'}
        assert laptop.delete(f'{SESSIONS}/current').status_code == 401
        assert phone.get(ME).status_code == 200


class TestSessionDelete:
    def test_ends_that_one_at_once(self, logged_in):
        user = account()
        phone, laptop = logged_in(user), logged_in(user)
        [session_id] = [
            item['id'] for item in data(laptop.get(SESSIONS))['items'] if not item['current']
        ]

        response = laptop.delete(f'{SESSIONS}/{session_id}')

        assert response.status_code == 200
        assert (phone.get(ME).status_code, laptop.get(ME).status_code) == (401, 200)
        assert laptop.delete(f'{SESSIONS}/{session_id}').status_code == 404

    def test_looks_the_same_for_anothers_and_for_none(self, logged_in):
        client, foreign = logged_in(account()), SessionFactory()

        anothers = client.delete(f'{SESSIONS}/{foreign.id}')
        none = client.delete(f'{SESSIONS}/{uuid4()}')

        assert anothers.status_code == none.status_code == 404
        assert reasons(anothers) == reasons(none) == {'session': ['No such session']}
        assert db.session.get(Session, foreign.id)

    @pytest.mark.parametrize('session_id', ['1', 'x', '2147483648', 'current1'])
    def test_knows_no_other_kind_of_id(self, logged_in, session_id):
        response = logged_in(account()).delete(f'{SESSIONS}/{session_id}')

        assert response.status_code == 404
        assert set(reasons(response)) == {'url'}


class TestPasswordReplace:
    @pytest.fixture
    def change(self):
        """Return a function that changes a password."""

        def put(client, current=PASSWORD, new=NEW, **more):
            body = {'current_password': current, 'new_password': new, **more}
            return client.put(f'{URL}/password', json=body)

        return put

    def test_takes_the_new_one_and_ends_the_other_sessions(
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

    def test_rejects_a_wrong_current_one_and_counts_it_like_a_login(
        self, client, logged_in, change
    ):
        user = account(username='ada')
        laptop = logged_in(user)
        for _ in range(10):
            response = change(laptop, current='wrong')
            assert response.status_code == 422
            assert set(reasons(response)) == {'current_password'}

        right = change(laptop)
        login = client.post(SESSIONS, json={'user_or_email': 'ada', 'password': PASSWORD})

        assert (right.status_code, login.status_code) == (429, 429)
        assert set(reasons(right)) == {'attempts'}

    @pytest.mark.parametrize(
        'password',
        ['password', 'lovelace', 'countess@example.com', 'flaskflask', 'zqk93v7', '', 'x' * 129],
    )
    def test_rejects_a_bad_new_one(self, logged_in, change, password):
        user = account(username='lovelace', email='countess@example.com')

        response = change(logged_in(user), new=password)

        assert response.status_code == 422
        assert set(reasons(response)) == {'new_password'}
        assert log_in(user_or_email='lovelace', password=PASSWORD)

    @pytest.mark.parametrize('length', [8, 64, 128])
    def test_takes_any_length_between(self, client, logged_in, change, length):
        user, password = account(username='ada'), 'z\N{SNOWMAN}' * (length // 2)

        assert change(logged_in(user), new=password).status_code == 200

        login = client.post(SESSIONS, json={'user_or_email': 'ada', 'password': password})
        assert login.status_code == 201

    def test_rejects_a_field_it_does_not_know(self, logged_in, change):
        response = change(logged_in(account()), user_id=1)

        assert response.status_code == 422
        assert set(reasons(response)) == {'user_id'}

    def test_rejects_a_stranger(self, client, change):
        assert change(client).status_code == 401


class TestGuard:
    def test_costs_one_select(self, bearer, assert_max_queries):
        token = new_token('pst')
        SessionFactory(token=token)

        with assert_max_queries(1) as statements:
            # Refused for its query: all that ran is the guard.
            assert bearer(token).get(f'{SESSIONS}?limit=0').status_code == 422

        assert [statement.split()[0] for statement in statements] == ['SELECT']

    @pytest.mark.parametrize(
        'header',
        [
            '', 'Bearer', 'Bearer ', 'Bearer x', 'Basic YWRhOng=', 'Token {token}', '{token}',
            'Bearer {token} {token}', 'Bearer "{token}"', 'Bearer token={token}',
        ],
    )  # fmt: skip
    def test_takes_a_bearer_token_and_nothing_like_it(self, client, header):
        token = new_token('pst')
        SessionFactory(token=token)

        response = client.get(ME, headers={'Authorization': header.format(token=token)})

        assert response.status_code == 401
        assert response.headers['WWW-Authenticate'] == 'Bearer'

    @pytest.mark.parametrize('name', ['session', 'token', 'Authorization', 'pst'])
    def test_reads_no_cookie(self, client, name):
        token = new_token('pst')
        SessionFactory(token=token)
        client.set_cookie(name, token)

        assert client.get(ME).status_code == 401

    def test_reads_no_token_in_the_query(self, client):
        token = new_token('pst')
        SessionFactory(token=token)

        assert client.get(f'{ME}?access_token={token}').status_code == 401

    def test_sets_no_cookie(self, logged_in):
        client = logged_in(account())

        for response in (client.get(ME), client.get(SESSIONS), client.delete(SESSIONS)):
            assert response.status_code == 200
            assert 'Set-Cookie' not in response.headers

    @pytest.mark.parametrize('leave', [users.disable_user, users.delete_user])
    def test_rejects_at_once_who_is_disabled_or_deleted(self, logged_in, leave):
        user = account()
        client = logged_in(user)
        assert client.get(ME).status_code == 200

        leave(user.id)

        assert client.get(ME).status_code == 401

    def test_rejects_at_once_whom_an_admin_deleted(self, bearer, logged_in):
        user, token = account(), new_token('pst')
        SessionFactory(user=AdminFactory(), token=token)
        client = logged_in(user)

        assert bearer(token).delete(f'/api/v1/users/{user.id}').status_code == 200

        assert client.get(ME).status_code == 401

    def test_wants_a_fresh_login_for_what_says_so(self, bearer):
        token = new_token('pst')
        session = SessionFactory(token=token, stale=True)

        response = bearer(token).delete(ME)

        assert response.status_code == 403
        assert set(reasons(response)) == {'reauthentication'}
        assert User.find(session.user_id)


class TestSessionRefresh:
    def test_gives_two_new_tokens_to_nobody_in_particular(self, client, bearer):
        account(username='ada')
        login = {'user_or_email': 'ada', 'password': PASSWORD}
        opened = data(client.post(SESSIONS, json=login))

        response = client.post(
            f'{SESSIONS}/refresh', json={'refresh_token': opened['refresh_token']}
        )

        assert response.status_code == 200
        assert data(bearer(data(response)['token']).get(ME))['username'] == 'ada'

    def test_rejects_with_401(self, client):
        response = client.post(f'{SESSIONS}/refresh', json={'refresh_token': new_token('prt')})

        assert (response.status_code, set(reasons(response))) == (401, {'refresh_token'})


class TestSessionReauthenticate:
    def test_answers_like_a_login(self, bearer):
        user = account()
        token = new_token('pst')
        SessionFactory(user=user, token=token, stale=True)
        stale = bearer(token)
        assert stale.delete(ME).status_code == 403

        response = stale.post(f'{SESSIONS}/current/reauthentication', json={'password': PASSWORD})

        assert response.status_code == 201
        assert stale.get(ME).status_code == 401
        assert bearer(data(response)['token']).delete(ME).status_code == 200


class TestFactors:
    def test_go_on_and_off(self, client, logged_in):
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

        assert (without.status_code, set(reasons(without))) == (401, {'otp'})
        assert (wrong.status_code, set(reasons(wrong))) == (401, {'recovery_code'})
        assert (right.status_code, off.status_code, again.status_code) == (201, 200, 201)
        assert len(set(codes) | set(new)) == 20

    @pytest.mark.parametrize(
        ('method', 'path'),
        [('POST', 'totp'), ('PUT', 'totp'), ('DELETE', 'totp'), ('POST', 'recovery-codes')],
    )
    def test_want_a_fresh_login(self, bearer, method, path):
        token = new_token('pst')
        SessionFactory(user=account(), token=token, stale=True)

        response = bearer(token).open(f'/api/v1/auth/{path}', method=method, json={'otp': '000000'})

        assert (response.status_code, set(reasons(response))) == (403, {'reauthentication'})


class TestPasswordResets:
    def test_give_a_new_password(self, client, mailbox):
        account(username='ada', email='ada@example.com')

        asked = client.post('/api/v1/auth/password-resets', json={'email': 'ada@example.com'})
        body = {'email': 'ada@example.com', 'pin': pin_in(mailbox()[-1]), 'new_password': NEW}
        done = client.put('/api/v1/auth/password-resets', json=body)
        again = client.put('/api/v1/auth/password-resets', json=body)

        assert (asked.status_code, done.status_code) == (202, 200)
        assert (again.status_code, set(reasons(again))) == (422, {'pin'})

    def test_answer_alike_whoever_exists(self, client):
        account(email='ada@example.com')

        answers = [
            client.post('/api/v1/auth/password-resets', json={'email': f'{name}@example.com'})
            for name in ('ada', 'nobody')
        ]

        assert answers[0].data == answers[1].data
        assert answers[0].status_code == answers[1].status_code == 202


class TestEmailChanges:
    def test_give_another_address(self, logged_in, mailbox):
        ada = logged_in(account(email='ada@example.com'))

        asked = ada.post('/api/v1/auth/email-changes', json={'new_email': 'l@example.com'})
        done = ada.put('/api/v1/auth/email-changes', json={'pin': pin_in(mailbox()[-1])})

        assert (asked.status_code, done.status_code) == (202, 200)
        assert data(done)['email'] == data(ada.get(ME))['email'] == 'l@example.com'

    def test_want_a_fresh_login_to_begin(self, bearer):
        token = new_token('pst')
        SessionFactory(user=account(), token=token, stale=True)

        response = bearer(token).post(
            '/api/v1/auth/email-changes', json={'new_email': 'l@example.com'}
        )

        assert (response.status_code, set(reasons(response))) == (403, {'reauthentication'})


class TestInvitations:
    def test_make_a_user(self, client, as_user, mailbox):
        admin = as_user(AdminFactory())

        asked = admin.post('/api/v1/auth/invitations', json={'email': 'eve@example.com'})
        code = re.search('([A-Z2-7]{4}-?){4}', plain(mailbox()[-1]))[0]
        body = {'email': 'eve@example.com', 'code': code, 'password': PASSWORD}
        without = client.put('/api/v1/auth/invitations', json=body)
        done = client.put('/api/v1/auth/invitations', json={**body, 'username': 'eve'})

        assert asked.status_code == 202
        assert (without.status_code, set(reasons(without))) == (422, {'username'})
        assert (done.status_code, data(done)['roles']) == (201, ['member'])
        assert done.location == f'/api/v1/users/{data(done)["id"]}'

    def test_are_for_who_may(self, as_user):
        response = as_user(UserFactory()).post(
            '/api/v1/auth/invitations', json={'email': 'eve@example.com'}
        )

        assert (response.status_code, set(reasons(response))) == (403, {'permission'})


class TestKeys:
    def test_open_what_they_are_for_and_nothing_else(self, logged_in, bearer):
        ada = logged_in(account())

        made = ada.post('/api/v1/auth/keys', json={'name': 'ci', 'scopes': ['files:read']})
        key = bearer(data(made)['key'])

        assert made.status_code == 201
        assert key.get('/api/v1/files').status_code == 200
        for refused in (key.get(ME), key.get('/api/v1/auth/keys'), key.delete(ME)):
            assert (refused.status_code, set(reasons(refused))) == (403, {'scope'})
        listed = data(ada.get('/api/v1/auth/keys'))['items']
        assert [set(row) & {'key'} for row in listed] == [set()]

    def test_open_nothing_once_deleted(self, logged_in, bearer):
        ada = logged_in(account())
        made = data(ada.post('/api/v1/auth/keys', json={'name': 'ci', 'scopes': ['files:read']}))

        assert ada.delete(f'/api/v1/auth/keys/{made["id"]}').status_code == 200
        assert bearer(made['key']).get('/api/v1/files').status_code == 401
        assert ada.delete(f'/api/v1/auth/keys/{made["id"]}').status_code == 404

    @pytest.mark.parametrize(
        ('change', 'code', 'field'),
        [
            ({'scopes': []}, 422, 'scopes'),
            ({'scopes': ['x:y']}, 422, 'scopes'),
            ({'scopes': ['users:read']}, 403, 'permission'),
            ({'expires_at': '2020-01-01T00:00:00Z'}, 422, 'expires_at'),
            ({'name': ''}, 422, 'name'),
        ],
    )
    def test_are_rejected(self, logged_in, change, code, field):
        body = {'name': 'ci', 'scopes': ['files:read'], **change}

        response = logged_in(account()).post('/api/v1/auth/keys', json=body)

        assert (response.status_code, set(reasons(response))) == (code, {field})


class TestEventList:
    def test_shows_what_happened(self, logged_in):
        ada = logged_in(account())

        [login] = data(ada.get('/api/v1/auth/events'))['items']

        assert (login['kind'], login['outcome'], login['actor']) == ('login', 'success', 'self')
        assert login['details']['new_device'] is True
