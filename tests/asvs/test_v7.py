"""ASVS 5.0, V7 Session management: each row that applies, over HTTP. docs/asvs.md lists all."""

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from project.core.security.tokens import new_token
from project.users.models import User
from tests.auth.factories import PASSWORD
from tests.client import data, reasons

from .conftest import API, SESSIONS, Person

NEW = 'Difference engine, 1822'
SECURITY = (Path(__file__).parents[2] / 'docs' / 'security.md').read_text(encoding='utf-8')
FRESH_ONLY = [
    ('POST', '/auth/email-changes', {'new_email': 'new@example.com'}),
    ('POST', '/auth/totp', None),
    ('PUT', '/auth/totp', {'otp': '000000'}),
    ('DELETE', '/auth/totp', None),
    ('POST', '/auth/recovery-codes', None),
]
HIGHLY_SENSITIVE = [
    ('DELETE', '/users/me', None),
    ('POST', '/auth/keys', {'name': 'ci', 'scopes': ['files:read']}),
    ('POST', '/users/me/exports', None),
    ('GET', '/users/me/exports/00000000-0000-4000-8000-000000000000/content', None),
]


class TestDocumentation:
    def test_v7_1_1_says_how_long_a_session_lasts(self, app):
        days = {name: app.config[f'AUTH_{name}_LIFETIME'].days for name in ('REFRESH', 'SESSION')}

        assert f'for {days["REFRESH"]} days without a refresh' in SECURITY
        assert f'and {days["SESSION"]} in total' in SECURITY

    def test_v7_1_2_says_how_many_there_may_be(self, ada):
        assert 'The number of sessions is not limited' in SECURITY
        for _ in range(3):
            assert ada.log_in().status_code == 201
        assert len(data(ada.call('GET', '/auth/sessions'))['items']) == 4


class TestTokens:
    def test_v7_2_1_are_looked_up_each_time(self, ada):
        token = ada.tokens['token']
        for at in range(4, len(token)):
            other = 'A' if token[at] != 'A' else 'B'
            wrong = f'{token[:at]}{other}{token[at + 1 :]}'
            refused = ada.client.get(
                f'{API}/users/me', headers={'Authorization': f'Bearer {wrong}'}
            )
            assert refused.status_code == 401

    def test_v7_2_1_are_unknown_unless_they_were_issued(self, ada):
        ada.tokens = {'token': new_token('pst')}

        assert not ada.is_known()

    def test_v7_2_2_are_made_anew_for_each_login(self, ada):
        first = dict(ada.tokens)
        ada.log_in()

        assert {first['token'], first['refresh_token']}.isdisjoint(
            {ada.tokens['token'], ada.tokens['refresh_token']}
        )

    def test_v7_2_3_have_more_than_128_random_bits(self):
        tokens = {new_token('pst') for _ in range(10_000)}

        assert len(tokens) == 10_000
        assert all(len(token) - len('pst_') - 6 >= 43 for token in tokens)
        # Each of the first 42 characters has 6 random bits: all 64 symbols occur, about as often.
        for at in range(len('pst_'), len('pst_') + 42):
            counts = Counter(token[at] for token in tokens)
            assert len(counts) == 64
            assert max(counts.values()) < 2 * 10_000 / 64

    def test_v7_2_4_are_others_after_the_password_was_shown_again(self, ada):
        before = dict(ada.tokens)
        answer = ada.call('POST', '/auth/sessions/current/reauthentication', {'password': PASSWORD})
        assert answer.status_code == 201

        assert not ada.is_known()
        ada.tokens = before
        assert ada.refresh().status_code == 401


class TestTimeouts:
    def test_v7_3_1_end_a_session_that_nobody_uses(self, app, ada, clock):
        clock.shift(app.config['AUTH_TOKEN_LIFETIME'] + timedelta(seconds=1))
        assert not ada.is_known()

        assert ada.refresh().status_code == 200
        clock.shift(app.config['AUTH_REFRESH_LIFETIME'] + timedelta(seconds=1))
        assert ada.refresh().status_code == 401

    def test_v7_3_2_end_every_session_in_the_end(self, app, ada, clock):
        days = 0
        while ada.refresh().status_code == 200:
            clock.shift(timedelta(days=10))
            days += 10

        assert days == app.config['AUTH_SESSION_LIFETIME'].days


class TestEnding:
    def test_v7_4_1_is_final(self, ada):
        assert ada.call('DELETE', '/auth/sessions/current').status_code == 200

        assert not ada.is_known()
        assert ada.refresh().status_code == 401

    @pytest.mark.parametrize('ending', ['disable', 'delete'])
    def test_v7_4_2_comes_to_all_sessions_of_who_is_disabled_or_deleted(
        self, ada, somebody, cli, ending
    ):
        other = Person(ada.client.application, 'ada')
        other.log_in()
        key = data(ada.call('POST', '/auth/keys', {'name': 'ci', 'scopes': ['profile:read']}))[
            'key'
        ]

        options = ['--yes'] if ending == 'delete' else []
        assert cli.invoke(args=['users', ending, 'ada', *options]).exit_code == 0

        assert not ada.is_known()
        assert not other.is_known()
        assert other.refresh().status_code == 401
        ada.tokens = {'token': key}
        assert not ada.is_known()

    def test_v7_4_3_comes_to_the_others_when_the_password_changes(self, ada):
        other = Person(ada.client.application, 'ada')
        other.log_in()

        ada.call('PUT', '/auth/password', {'current_password': PASSWORD, 'new_password': NEW})

        assert ada.is_known()
        assert not other.is_known()

    def test_v7_4_4_is_always_at_hand(self, ada):
        assert 'DELETE /auth/sessions/current' in (
            Path(__file__).parents[2] / 'docs' / 'api.md'
        ).read_text(encoding='utf-8')
        assert ada.call('DELETE', '/auth/sessions/current').status_code == 200

    def test_v7_4_5_is_in_the_hands_of_operators(self, ada, somebody, cli):
        eve = somebody('eve')
        eve.log_in()

        assert cli.invoke(args=['auth', 'revoke', 'ada']).exit_code == 0

        assert not ada.is_known()
        assert eve.is_known()


class TestAbuse:
    @pytest.mark.parametrize(('method', 'path', 'body'), FRESH_ONLY, ids=lambda each: str(each))
    def test_v7_5_1_cannot_change_a_factor_or_address_with_a_token_alone(
        self, ada, clock, method, path, body
    ):
        clock.shift(timedelta(minutes=10, seconds=1))

        response = ada.call(method, path, body)

        assert (response.status_code, set(reasons(response))) == (403, {'reauthentication'})
        # A refresh does not make it fresh; showing the password does.
        ada.refresh()
        assert ada.call(method, path, body).status_code == 403
        again = {'password': PASSWORD}
        answer = ada.call('POST', '/auth/sessions/current/reauthentication', again)
        ada.tokens = data(answer)
        assert ada.call(method, path, body).status_code != 403

    def test_v7_5_1_changes_the_own_address_by_a_pin_only(self, admin):
        body = {'username': 'grace', 'email': 'new@example.com'}
        me = f'/users/{User.find_by_username("grace").id}'

        for method, path in (('PATCH', '/users/me'), ('PATCH', me), ('PUT', me)):
            assert admin.call(method, path, body).status_code == 403
        assert User.find_by_username('grace').email == 'grace@example.com'

    def test_v7_5_2_is_seen_and_ended_by_who_has_the_account(self, ada):
        other = Person(ada.client.application, 'ada')
        other.client.environ_base['REMOTE_ADDR'] = '203.0.113.9'
        other.client.environ_base['HTTP_USER_AGENT'] = 'a thief'
        other.log_in()

        shown = data(ada.call('GET', '/auth/sessions'))['items']
        assert [each['user_agent'] for each in shown if not each['current']] == ['a thief']
        assert set(shown[0]) >= {'address', 'user_agent', 'last_used_at', 'created_at'}
        assert not any('token' in name for each in shown for name in each)
        thief = next(each for each in shown if not each['current'])
        assert ada.call('DELETE', f'/auth/sessions/{thief["id"]}').status_code == 200
        assert not other.is_known()
        assert ada.is_known()

    @pytest.mark.parametrize(
        ('method', 'path', 'body'), HIGHLY_SENSITIVE, ids=lambda each: str(each)
    )
    def test_v7_5_3_cannot_do_the_worst_with_a_token_alone(self, ada, clock, method, path, body):
        clock.shift(timedelta(minutes=10, seconds=1))

        response = ada.call(method, path, body)

        assert (response.status_code, set(reasons(response))) == (403, {'reauthentication'})
        assert User.find_by_username('ada')

    def test_v7_6_2_is_opened_by_no_link(self, app, anybody, mailbox):
        """Whatever fetches addresses out of a mail opens nothing: no GET makes a session."""
        body = {'username': 'ada', 'email': 'ada@example.com', 'password': PASSWORD}
        anybody.post(f'{API}/auth/accounts', json=body)
        (mail,) = mailbox()
        assert '/api/' not in mail.as_string()

        tokens = [
            (rule.rule, method)
            for rule in app.url_map.iter_rules()
            for method in (rule.methods or set()) - {'OPTIONS', 'HEAD'}
            if 'LoginSchema' in str(app.extensions['endpoint_specs'][rule.endpoint, method].returns)
        ]
        assert {method for _, method in tokens} == {'POST'}
        assert len(tokens) == 3
        assert (SESSIONS, 'POST') in tokens
