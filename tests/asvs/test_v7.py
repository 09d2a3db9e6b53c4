"""ASVS 5.0, V7 Session management: tests of the applicable requirements, over HTTP.

docs/asvs.md lists all requirements.
"""

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from project.core.security.tokens import new_token
from project.users.models import User
from tests.auth.factories import PASSWORD
from tests.kit.responses import data, fails_with

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
    ('POST', '/auth/keys', {'name': 'ci', 'scopes': ['profile:read']}),
    ('POST', '/users/me/exports', None),
    ('GET', '/users/me/exports/00000000-0000-4000-8000-000000000000/content', None),
]


class TestDocumentation:
    def test_v7_1_1_states_the_session_lifetimes(self, app):
        days = {name: app.config[f'AUTH_{name}_LIFETIME'].days for name in ('REFRESH', 'SESSION')}

        assert f'for {days["REFRESH"]} days without a refresh' in SECURITY
        assert f'and {days["SESSION"]} in total' in SECURITY

    def test_v7_1_2_states_that_the_number_of_sessions_is_unlimited(self, ada):
        assert 'The number of sessions is not limited' in SECURITY
        for _ in range(3):
            assert ada.log_in().status_code == 201
        assert len(data(ada.call('GET', '/auth/sessions'))['items']) == 4


class TestTokens:
    def test_v7_2_1_are_rejected_if_any_character_differs(self, ada):
        token = ada.tokens['token']
        for at in range(4, len(token)):
            other = 'A' if token[at] != 'A' else 'B'
            wrong = f'{token[:at]}{other}{token[at + 1 :]}'
            refused = ada.client.get(
                f'{API}/users/me', headers={'Authorization': f'Bearer {wrong}'}
            )
            assert refused.status_code == 401

    def test_v7_2_1_are_rejected_unless_the_service_issued_them(self, ada):
        ada.tokens = {'token': new_token('pst')}

        assert not ada.is_logged_in()

    def test_v7_2_2_are_new_for_each_login(self, ada):
        first = dict(ada.tokens)
        ada.log_in()

        assert {first['token'], first['refresh_token']}.isdisjoint(
            {ada.tokens['token'], ada.tokens['refresh_token']}
        )

    def test_v7_2_3_have_more_than_128_random_bits(self):
        tokens = {new_token('pst') for _ in range(10_000)}

        assert len(tokens) == 10_000
        assert all(len(token) - len('pst_') - 6 >= 43 for token in tokens)
        # The first 42 characters have 6 random bits each: all 64 symbols occur about equally often.
        for at in range(len('pst_'), len('pst_') + 42):
            counts = Counter(token[at] for token in tokens)
            assert len(counts) == 64
            assert max(counts.values()) < 2 * 10_000 / 64

    def test_v7_2_4_are_replaced_by_a_reauthentication(self, ada):
        before = dict(ada.tokens)
        answer = ada.call('POST', '/auth/sessions/current/reauthentication', {'password': PASSWORD})
        assert answer.status_code == 201

        assert not ada.is_logged_in()
        ada.tokens = before
        assert ada.refresh().status_code == 401


class TestTimeouts:
    def test_v7_3_1_end_an_unused_session(self, app, ada, travel):
        travel(app.config['AUTH_TOKEN_LIFETIME'] + timedelta(seconds=1))
        assert not ada.is_logged_in()

        assert ada.refresh().status_code == 200
        travel(app.config['AUTH_REFRESH_LIFETIME'] + timedelta(seconds=1))
        assert ada.refresh().status_code == 401

    def test_v7_3_2_end_a_session_after_its_maximum_lifetime(self, app, ada, travel):
        days = 0
        while ada.refresh().status_code == 200:
            travel(days=10)
            days += 10

        assert days == app.config['AUTH_SESSION_LIFETIME'].days


class TestTermination:
    def test_v7_4_1_invalidates_both_tokens(self, ada):
        assert ada.call('DELETE', '/auth/sessions/current').status_code == 200

        assert not ada.is_logged_in()
        assert ada.refresh().status_code == 401

    @pytest.mark.parametrize('ending', ['disable', 'delete'])
    def test_v7_4_2_covers_all_sessions_of_a_disabled_or_deleted_user(
        self, ada, make_person, cli, ending
    ):
        other = Person(ada.client.application, 'ada')
        other.log_in()
        key = data(ada.call('POST', '/auth/keys', {'name': 'ci', 'scopes': ['profile:read']}))[
            'key'
        ]

        options = ['--yes'] if ending == 'delete' else []
        assert cli.invoke(args=['users', ending, 'ada', *options]).exit_code == 0

        assert not ada.is_logged_in()
        assert not other.is_logged_in()
        assert other.refresh().status_code == 401
        ada.tokens = {'token': key}
        assert not ada.is_logged_in()

    def test_v7_4_3_covers_the_other_sessions_when_the_password_changes(self, ada):
        other = Person(ada.client.application, 'ada')
        other.log_in()

        ada.call('PUT', '/auth/password', {'current_password': PASSWORD, 'new_password': NEW})

        assert ada.is_logged_in()
        assert not other.is_logged_in()

    def test_v7_4_4_is_possible_with_every_session(self, ada):
        assert 'DELETE /auth/sessions/current' in (
            Path(__file__).parents[2] / 'docs' / 'api.md'
        ).read_text(encoding='utf-8')
        assert ada.call('DELETE', '/auth/sessions/current').status_code == 200

    def test_v7_4_5_is_possible_for_operators(self, ada, make_person, cli):
        eve = make_person('eve')
        eve.log_in()

        assert cli.invoke(args=['auth', 'revoke', 'ada']).exit_code == 0

        assert not ada.is_logged_in()
        assert eve.is_logged_in()


class TestAbuse:
    @pytest.mark.parametrize(('method', 'path', 'body'), FRESH_ONLY, ids=lambda each: str(each))
    def test_v7_5_1_cannot_change_a_factor_or_email_address_with_a_token_alone(
        self, ada, travel, method, path, body
    ):
        travel(minutes=10, seconds=1)

        response = ada.call(method, path, body)

        fails_with(response, 'reauthentication', status=403)
        # A refresh does not count as a fresh login; a reauthentication does.
        ada.refresh()
        assert ada.call(method, path, body).status_code == 403
        again = {'password': PASSWORD}
        answer = ada.call('POST', '/auth/sessions/current/reauthentication', again)
        ada.tokens = data(answer)
        assert ada.call(method, path, body).status_code != 403

    def test_v7_5_1_cannot_change_the_email_address_without_a_pin(self, admin):
        body = {'username': 'grace', 'email': 'new@example.com'}
        me = f'/users/{User.find_by_username("grace").id}'

        for method, path in (('PATCH', '/users/me'), ('PATCH', me), ('PUT', me)):
            assert admin.call(method, path, body).status_code == 403
        assert User.find_by_username('grace').email == 'grace@example.com'

    def test_v7_5_2_is_visible_to_the_user_who_can_end_the_session(self, ada):
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
        assert not other.is_logged_in()
        assert ada.is_logged_in()

    @pytest.mark.parametrize(
        ('method', 'path', 'body'), HIGHLY_SENSITIVE, ids=lambda each: str(each)
    )
    def test_v7_5_3_cannot_do_highly_sensitive_operations_with_a_token_alone(
        self, ada, travel, method, path, body
    ):
        travel(minutes=10, seconds=1)

        response = ada.call(method, path, body)

        fails_with(response, 'reauthentication', status=403)
        assert User.find_by_username('ada')

    def test_v7_6_2_cannot_log_in_by_a_link(self, app, anonymous, mailbox):
        """Mail programs fetch the URLs in a mail. This cannot create a session by a GET request."""
        body = {'username': 'ada', 'email': 'ada@example.com', 'password': PASSWORD}
        anonymous.post(f'{API}/auth/accounts', json=body)
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
