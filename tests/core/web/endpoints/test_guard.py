"""The guard, which authenticates and authorizes each request before its handler."""

from datetime import timedelta

import pytest
from flask import Blueprint, request
from marshmallow import Schema

from project.core.clock import now
from project.core.database.session import atomic
from project.core.errors import RequestTimeout
from project.core.web.endpoints.access import (
    authenticated,
    current_principal,
    owner_or,
    public,
    requires,
)
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.requests.parsing import START_BODY_TIMEOUT
from tests.core.apps import bearer, principal
from tests.kit.responses import data, fails_with, reasons

SAIL = 'boats:sail'
OWN = owner_or(SAIL, scope='profile:read')
OWN_PROFILE = authenticated('profile:read')


@pytest.fixture
def people():
    """Return the principals by their token.

    A fixture instead of a constant: the login time must be that of the test.
    """
    long_ago = now() - timedelta(days=1)
    return {
        'member': principal(),
        'sailor': principal(permissions=frozenset({SAIL})),
        'stale': principal(permissions=frozenset({SAIL}), authenticated_at=long_ago),
        'key': principal(permissions=frozenset({SAIL}), scopes=frozenset({SAIL})),
        'other-key': principal(permissions=frozenset({SAIL}), scopes=frozenset({'profile:read'})),
        'greedy-key': principal(scopes=frozenset({SAIL, 'profile:read'})),
    }


@pytest.fixture
def ask(serve, people):
    """Return a function that calls a route.

    Its arguments are the access rule of the route, and the token of the caller. It returns `OK`, or
    the status and the error key.
    """

    def get(allow, token=None, url='/users/1'):
        client = serve(
            lambda user_id: None, rule='/users/<int:user_id>', allow=allow, people=people
        )
        response = client.get(url, headers=bearer(token) if token else {})
        if response.status_code == 200:
            return OK
        [key] = reasons(response)
        return response.status_code, key

    return get


class AnyRequest(Schema):
    """A request schema that accepts any fields."""


OK = (200, None)
PERMISSION, SCOPE, FRESH = (403, 'permission'), (403, 'scope'), (403, 'reauthentication')
NOT_YOURS = (404, 'user')


class TestValidateRoutes:
    def test_keeps_the_spec_of_every_route(self, kernel):
        assert ('health.healthz', 'GET') in kernel().extensions['endpoint_specs']


class TestGuard:
    def test_returns_403_for_a_route_added_after_the_start(self, kernel):
        app = kernel()
        app.add_url_rule('/late', 'late', lambda: 'hello')

        response = app.test_client().get('/late')

        fails_with(response, 'permission', status=403)

    def test_returns_403_for_a_method_added_after_the_start(self, kernel):
        app = kernel()
        app.add_url_rule('/healthz', 'health.healthz', methods=['DELETE'])

        assert app.test_client().delete('/healthz').status_code == 403

    def test_returns_404_for_a_url_with_nul(self, serve):
        client = serve(lambda name: None, rule='/things/<name>')

        assert client.get('/things/a').status_code == 200
        response = client.get('/things/a%00b')
        fails_with(response, 'url', status=404, reason='Not Found')

    def test_rejects_a_put_with_a_part_of_the_body(self, serve):
        """RFC 9110, section 14.5. A GET ignores the header, which has no meaning there."""
        client, headers = (
            serve(lambda: None, methods=('PUT', 'GET')),
            {'Content-Range': 'bytes 0-1/9'},
        )

        fails_with(client.put('/probe', data=b'ab', headers=headers), 'request', status=400)
        assert client.get('/probe', headers=headers).status_code == 200

    def test_lets_flask_answer_options(self, serve):
        response = serve(lambda: None, allow=requires(SAIL)).options('/probe')

        assert response.status_code == 200
        assert set(response.allow) == {'GET', 'HEAD', 'POST', 'OPTIONS'}

    def test_returns_404_and_405_before_it_authenticates(self, serve):
        client = serve(lambda: None, allow=requires(SAIL))

        assert client.get('/nowhere').status_code == 404
        assert client.delete('/probe').status_code == 405

    def test_accepts_larger_bodies_if_the_route_declares_it(self, kernel):
        def size():
            return str(len(request.get_data()))

        boats = Blueprint('boats', __name__)
        for name, largest in (('small', None), ('large', 'BOATS_MAX_SIZE')):
            handler = endpoint(allow=public, max_body_setting=largest)(size)
            boats.post(f'/{name}', endpoint=name)(handler)
        client = kernel(boats, BOATS_MAX_SIZE=2_000_000).test_client()

        assert client.post('/large', data=b'x' * 2_000_000).status_code == 200
        assert client.post('/large', data=b'x' * 2_100_000).status_code == 413
        assert client.post('/small', data=b'x' * 1_100_000).status_code == 413

    @pytest.mark.parametrize(
        ('declared', 'content_type', 'status'),
        [
            ({'body': AnyRequest}, 'application/json', 408),
            ({'body': AnyRequest}, 'text/plain', 415),
            ({}, 'application/json', 200),
        ],
    )
    def test_limits_the_time_for_a_body_that_the_route_reads_as_json(
        self, serve, declared, content_type, status
    ):
        def raise_timeout():
            raise RequestTimeout

        client = serve(lambda **_: None, **declared)

        response = client.post(
            '/probe',
            data=b'{}',
            content_type=content_type,
            environ_overrides={START_BODY_TIMEOUT: raise_timeout},
        )

        assert response.status_code == status
        if status == 408:
            assert reasons(response) == {'request': ['Request timed out; try again later']}


class TestAuthenticate:
    def test_sets_the_current_principal(self, serve, people):
        def show():
            assert current_principal() is people['member']

        client = serve(show, allow=authenticated(), people=people)

        assert data(client.get('/probe', headers=bearer('member'))) is None

    @pytest.mark.parametrize('scheme', ['Bearer', 'bearer', 'BEARER'])
    def test_reads_the_scheme_in_any_case(self, serve, people, scheme):
        client = serve(lambda: None, allow=authenticated(), people=people)

        response = client.get('/probe', headers={'Authorization': f'{scheme} member'})

        assert response.status_code == 200

    @pytest.mark.parametrize(
        'header',
        [
            None,
            '',
            'Bearer',
            'Bearer ',
            'Bearer unknown',
            'Bearer member x',
            'Bearer member, Bearer sailor',
            'Bearer "member"',
            'Bearermember',
            'member',
            'Basic bWVtYmVyOng=',
            'Basic !!!',
            'Digest username="member"',
            'Token member',
            'Bearer \xff',
            'Bearer a=b',
            ', Bearer member',
        ],
    )
    def test_returns_401_without_a_valid_token(self, serve, people, header):
        client = serve(lambda: None, allow=authenticated(), people=people)

        response = client.get('/probe', headers={'Authorization': header} if header else {})

        fails_with(response, 'authorization', status=401, reason='Missing or invalid bearer token')
        assert response.headers['WWW-Authenticate'].startswith('Bearer realm="api"')

    @pytest.mark.parametrize(
        ('header', 'error'),
        [
            (None, ''), ('Basic bWVtYmVyOng=', ''), ('Bearer', ''),
            ('Bearer unknown', ', error="invalid_token"'),
        ],
    )  # fmt: skip
    def test_names_the_error_of_a_token_only_if_there_is_one(self, serve, people, header, error):
        client = serve(lambda: None, allow=authenticated(), people=people)

        response = client.get('/probe', headers={'Authorization': header} if header else {})

        assert response.headers['WWW-Authenticate'] == f'Bearer realm="api"{error}'

    def test_ignores_a_token_in_the_query(self, serve, people):
        client = serve(lambda: None, allow=authenticated(), people=people)

        assert client.get('/probe?access_token=member').status_code == 401

    def test_does_not_look_up_tokens_on_a_public_route(self, serve, people):
        class NoPeople(dict):
            def get(self, _token):
                raise AssertionError('looked up')

        client = serve(lambda: None, people=NoPeople(x=1))

        assert client.get('/probe', headers=bearer('x')).status_code == 200


class TestAuthorize:
    @pytest.mark.parametrize('token', [None, 'unknown', 'member', 'key'])
    def test_allows_any_caller_on_a_public_route(self, ask, token):
        assert ask(public, token) == OK

    @pytest.mark.parametrize(
        ('token', 'answer'),
        [('member', OK), ('sailor', OK), ('stale', OK), ('key', SCOPE), ('greedy-key', SCOPE)],
    )
    def test_rejects_api_keys_on_a_route_without_a_scope(self, ask, token, answer):
        assert ask(authenticated(), token) == answer

    @pytest.mark.parametrize(
        ('token', 'answer'), [('member', OK), ('key', SCOPE), ('other-key', OK)]
    )
    def test_allows_an_api_key_with_the_scope(self, ask, token, answer):
        assert ask(authenticated('profile:read'), token) == answer

    @pytest.mark.parametrize(
        ('token', 'answer'),
        [
            ('member', PERMISSION),
            ('sailor', OK),
            ('key', OK),
            ('other-key', SCOPE),
            ('greedy-key', PERMISSION),
        ],
    )
    def test_requires_the_permission_and_the_scope_of_an_api_key(self, ask, token, answer):
        assert ask(requires(SAIL), token) == answer

    @pytest.mark.parametrize(
        ('token', 'answer'),
        [
            ('member', OK),
            ('sailor', OK),
            ('key', SCOPE),
            ('other-key', OK),
            ('greedy-key', OK),
        ],
    )
    def test_allows_users_on_their_own_data(self, ask, token, answer):
        assert ask(OWN, token) == answer

    @pytest.mark.parametrize(
        ('token', 'answer'),
        [
            ('member', NOT_YOURS),
            ('sailor', OK),
            ('key', OK),
            ('other-key', SCOPE),
            ('greedy-key', NOT_YOURS),
        ],
    )
    def test_returns_404_for_other_users_without_the_permission(self, ask, token, answer):
        assert ask(OWN, token, '/users/2') == answer

    @pytest.mark.parametrize(
        ('allow', 'token', 'answer'),
        [
            (authenticated(fresh=True), 'sailor', OK),
            (authenticated(fresh=True), 'stale', FRESH),
            (requires(SAIL, fresh=True), 'stale', FRESH),
            (requires(SAIL, fresh=True), 'member', PERMISSION),
            (requires(SAIL, fresh=True), 'sailor', OK),
        ],
    )
    def test_requires_a_fresh_login_if_the_route_declares_it(self, ask, allow, token, answer):
        assert ask(allow, token) == answer


class TestReauthorize:
    """Permissions change after the guard has accepted a request and before its transaction.

    So the transaction must authorize the request again.
    """

    @pytest.fixture
    def ask(self, serve):
        """Return a function that calls a route that writes.

        Its argument `now` is the principal that the transaction reads again.
        """

        def post(now, allow=OWN_PROFILE):
            written = []

            def handler():
                with atomic():
                    written.append(1)

            was = principal(permissions=frozenset({SAIL, 'boats:scrub'}))
            settings = {'reload_principal': lambda _: now}
            client = serve(handler, allow=allow, people={'token': was}, settings=settings)
            response = client.post('/probe', headers=bearer('token'))
            return response.status_code, len(written)

        return post

    def test_accepts_an_unchanged_principal(self, ask):
        assert ask(principal(permissions=frozenset({SAIL, 'boats:scrub'}))) == (200, 1)

    def test_returns_401_if_the_credential_no_longer_exists(self, ask):
        assert ask(None) == (401, 0)

    def test_returns_403_if_the_required_permission_was_revoked(self, ask):
        assert ask(principal(permissions=frozenset({'boats:scrub'})), requires(SAIL)) == (403, 0)

    @pytest.mark.parametrize('allow', [requires(SAIL), OWN_PROFILE], ids=['permission', 'own'])
    def test_returns_403_if_any_other_permission_was_revoked(self, ask, allow):
        assert ask(principal(permissions=frozenset({SAIL})), allow) == (403, 0)

    def test_returns_403_if_the_login_is_no_longer_fresh(self, ask):
        stale = principal(authenticated_at=now() - timedelta(days=1))

        assert ask(stale, authenticated(fresh=True)) == (403, 0)

    def test_allows_transactions_that_do_not_check_the_caller(self, serve):
        done = []

        def handler():
            with atomic(checks_caller=False):
                done.append(1)

        client = serve(
            handler,
            allow=authenticated(),
            people={'token': principal()},
            settings={'reload_principal': lambda _: None},
        )

        assert client.post('/probe', headers=bearer('token')).status_code == 200
        assert done == [1]
