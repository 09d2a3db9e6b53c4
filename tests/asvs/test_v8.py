"""ASVS 5.0, V8 Authorization: tests of the applicable requirements, over HTTP.

docs/asvs.md lists all requirements.
"""

import re
from pathlib import Path
from uuid import uuid4

import pytest

from project.core.documents.files import all_owners
from project.core.documents.routes import matrix
from project.users.models import User
from tests.auth.factories import PASSWORD
from tests.feature_modules import feature_modules
from tests.kit.responses import data, fails_with, reasons

from .conftest import API, Person

DOCS = Path(__file__).parents[2] / 'docs'

TUS = {'Tus-Resumable': '1.0.0'}

# Fields of responses that no client can set.
PROTECTED = [
    'id', 'roles', 'status', 'version', 'created_at', 'updated_at', 'permissions', 'last_login',
    'avatar', 'profile_image', 'owner_id', 'user_id', 'sha256', 'size', 'type', 'is_admin',
]  # fmt: skip


@pytest.fixture
def eve(make_person):
    """Return a second user with a new session."""
    person = make_person('eve')
    person.log_in()
    return person


def resource_calls(person):
    """Create objects of all kinds that have an id.

    Returns the requests on these objects, which only their owner may send.
    """
    key = data(person.call('POST', '/auth/keys', {'name': 'ci', 'scopes': ['profile:read']}))
    session = next(
        each for each in data(person.call('GET', '/auth/sessions'))['items'] if each['current']
    )
    export = data(person.call('POST', '/users/me/exports'))
    user = f'/users/{User.find_by_username(person.name).id}'
    return [
        *(
            request
            for module in feature_modules('owned_objects')
            for request in module.requests_of_owner(person)
        ),
        ('DELETE', f'/auth/keys/{key["id"]}', None),
        ('DELETE', f'/auth/sessions/{session["id"]}', None),
        ('GET', f'/users/me/exports/{export["id"]}', None),
        ('GET', f'/users/me/exports/{export["id"]}/content', None),
        ('GET', user, None), ('PATCH', user, {'bio': 'Owned.'}),
    ]  # fmt: skip


def unknown(path):
    """Return the path with the ids of objects that do not exist."""
    other = re.sub('[0-9a-f]{8}-[0-9a-f-]{27}', str(uuid4()), path)
    return re.sub(r'(?<=/users/)\d+', '2147483646', other)


class TestDocumentation:
    def test_v8_1_1_lists_the_callers_of_each_route(self, app):
        pages = ''.join(page.read_text('utf-8') for page in (DOCS / 'features').glob('*.md'))

        columns, _, *rows = matrix(all_owners()).splitlines()
        assert '| route | anonymous | member | admin |' in columns
        assert [row for row in rows if row not in pages] == []

    def test_v8_1_2_lists_who_may_write_each_field(self):
        table = (DOCS / 'asvs.md').read_text('utf-8').partition('## Fields')[2]

        for field in ('username', 'email', 'name', 'bio', 'roles', 'status'):
            assert f'| `{field}` |' in table

    def test_v8_1_3_states_the_contextual_checks(self):
        assert 'from a device that is not known' in (DOCS / 'security.md').read_text('utf-8')


class TestAccess:
    def test_v8_2_1_matches_the_matrix(self):
        """tests/integration/test_matrix.py calls each route as each kind of user."""
        from tests.integration.test_matrix import ROWS, TestMatrix

        asked = [name for name in vars(TestMatrix) if name.startswith('test_')]
        assert len(ROWS) > 40
        assert {
            'test_agrees_without_a_credential', 'test_agrees_for_a_member',
            'test_agrees_for_an_admin', 'test_agrees_for_stored_keys_of_each_scope',
            'test_treats_a_disabled_user_as_one_without_a_credential',
            'test_treats_an_unverified_user_as_one_without_a_credential',
        } <= set(asked)  # fmt: skip

    def test_v8_2_1_is_limited_to_the_permissions_of_the_caller(self, ada, admin, anonymous):
        user = f'/users/{User.find_by_username("ada").id}'
        calls = [
            ('GET', '/users', None), ('DELETE', user, None), ('GET', '/users/roles', None),
            ('PUT', f'{user}/roles', {'roles': ['admin']}),
            ('POST', '/auth/invitations', {'email': 'eve@example.com'}),
        ]  # fmt: skip

        for method, path, body in calls:
            assert anonymous.open(API + path, method=method, json=body).status_code == 401
            refused = ada.call(method, path, body)
            fails_with(refused, 'permission', status=403)
        assert admin.call('GET', '/users').status_code == 200

    def test_v8_2_2_is_denied_for_the_ids_of_another_user(self, ada, eve):
        for method, path, body in resource_calls(ada):
            foreign = eve.call(method, path, body, **TUS)
            missing = eve.call(method, unknown(path), body, **TUS)

            assert foreign.status_code == 404, path
            # The response is the same as for an object that does not exist.
            assert foreign.data == missing.data
            told = [
                {name: value for name, value in each.headers if name != 'X-Request-ID'}
                for each in (foreign, missing)
            ]
            assert told[0] == told[1]
        # The requests of the other user had no effect.
        assert ada.is_logged_in()

    def test_v8_2_2_is_granted_to_the_owner(self, ada):
        last = ('DELETE', 'sessions')
        things = resource_calls(ada)
        for method, path, body in sorted(things, key=lambda each: each[1].find(last[1]) > 0):
            answer = ada.call(method, path, body, **TUS)
            assert answer.status_code in (200, 201, 204, 409, 422), path

    @pytest.mark.parametrize('field', PROTECTED)
    def test_v8_2_3_rejects_fields_that_only_the_service_writes(self, ada, field):
        for method, path in (
            ('PATCH', '/users/me'), ('POST', '/auth/accounts'), ('POST', '/auth/keys'),
        ):  # fmt: skip
            response = ada.call(method, path, {field: 'admin'})
            assert response.status_code == 422
            assert field in reasons(response)

    def test_v8_2_3_shows_only_the_fields_of_the_schema(self, ada, eve, anonymous):
        profile = data(anonymous.get(f'{API}/users/ada/profile'))
        assert set(profile) == {'username', 'name', 'bio', 'profile_image', 'since_logged_in'}

        assert set(data(ada.call('GET', '/users/me'))) == {
            'id', 'username', 'email', 'name', 'bio', 'roles', 'status', 'version', 'created_at',
            'updated_at',
        }  # fmt: skip

    def test_v8_2_3_lets_users_change_only_the_documented_fields(self, ada):
        assert ada.call('PATCH', '/users/me', {'name': 'Ada', 'bio': 'Hello.'}).status_code == 200
        for field, value in (('username', 'root2'), ('email', 'other@example.com')):
            response = ada.call('PATCH', '/users/me', {field: value})
            fails_with(response, 'permission', status=403)

    def test_v8_2_4_sends_a_mail_about_a_new_device(self, ada, mailbox):
        ada.client.environ_base['REMOTE_ADDR'] = '203.0.113.9'
        ada.client.environ_base['HTTP_USER_AGENT'] = 'another browser'
        ada.log_in()

        assert len(mailbox()) == 1


class TestEnforcement:
    def test_v8_3_1_ignores_identities_in_headers_and_queries(self, ada, anonymous):
        for headers in (
            {'X-User-Id': '1'}, {'X-Forwarded-User': 'grace'}, {'X-HTTP-Method-Override': 'DELETE'},
            {'X-Original-URL': '/api/v1/users'}, {'Cookie': f'token={ada.tokens["token"]}'},
            {'Authorization': f'Basic {ada.tokens["token"]}'},
        ):  # fmt: skip
            assert anonymous.get(f'{API}/users', headers=headers).status_code == 401
        with_query = anonymous.get(f'{API}/users/me?token={ada.tokens["token"]}')
        assert with_query.status_code == 401
        for path in ('/var/storage', '/storage', '/files', '/.git/config', '/.env', '/static/x'):
            assert anonymous.get(path).status_code == 404

    def test_v8_3_2_applies_changes_to_the_next_request(self, ada, cli):
        assert ada.call('GET', '/users').status_code == 403

        cli.invoke(args=['users', 'create', 'root2', '--email', 'r@example.com', '--role', 'admin'])
        assert cli.invoke(args=['users', 'grant', 'ada', 'admin']).exit_code == 0
        assert ada.call('GET', '/users').status_code == 200

        assert cli.invoke(args=['users', 'revoke', 'ada', 'admin']).exit_code == 0
        assert ada.call('GET', '/users').status_code == 403

    def test_v8_3_3_checks_the_permissions_of_the_inviter_at_acceptance(
        self, admin, anonymous, cli, mailed
    ):
        """An invitation of an admin is invalid once the inviter is no longer an admin."""
        body = {'email': 'eve@example.com', 'roles': ['admin', 'member']}
        assert admin.call('POST', '/auth/invitations', body).status_code == 202
        code = mailed('eve@example.com')
        cli.invoke(
            args=['create-user', 'root2', '--email', 'r@example.com', '--admin', '--generate']
        )
        assert cli.invoke(args=['users', 'revoke', 'grace', 'admin']).exit_code == 0

        accepted = {
            'email': 'eve@example.com', 'code': code, 'password': PASSWORD, 'username': 'eve',
        }  # fmt: skip
        response = anonymous.put(f'{API}/auth/invitations', json=accepted)

        assert response.status_code == 422
        assert User.find_by_username('eve') is None

    def test_v8_3_3_limits_a_key_to_the_current_permissions_of_its_owner(self, admin, cli):
        key = data(admin.call('POST', '/auth/keys', {'name': 'ci', 'scopes': ['users:read']}))[
            'key'
        ]
        program = Person(admin.client.application, 'grace')
        program.tokens = {'token': key}
        assert program.call('GET', '/users').status_code == 200
        cli.invoke(
            args=['create-user', 'root2', '--email', 'r@example.com', '--admin', '--generate']
        )

        cli.invoke(args=['users', 'revoke', 'grace', 'admin'])

        assert program.call('GET', '/users').status_code == 403
