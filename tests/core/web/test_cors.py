"""CORS, and the responses to OPTIONS."""

import pytest
from flask import Response
from marshmallow import Schema

from project.core.errors import TooManyRequests
from project.core.web.endpoints.access import authenticated
from project.core.web.endpoints.large_responses import CLAIM_RESPONSE
from project.core.web.responses.headers import API, Header

ALLOWED = 'https://app.example.test'
PREFLIGHT = {'Origin': ALLOWED, 'Access-Control-Request-Method': 'GET'}


def bug():
    raise ZeroDivisionError


class TestAnswerOptions:
    def test_returns_all_methods_for_an_asterisk(self, serve):
        client = serve(lambda: None)

        response = client.options('/', environ_overrides={'PATH_INFO': '*'})

        assert response.status_code == 204
        assert {'GET', 'HEAD', 'POST', 'OPTIONS'} <= response.allow.as_set(preserve_casing=True)
        assert 'Content-Type' not in response.headers

    @pytest.mark.parametrize('url', ['/api/probe', '/api/nowhere'])
    def test_accepts_a_preflight_during_maintenance(self, serve, tmp_path, url):
        client = serve(lambda: None, rule='/api/probe', allow=authenticated())
        (tmp_path / 'maintenance').touch()

        preflight = client.options(url, headers=PREFLIGHT)
        actual = client.get(url, headers={'Origin': ALLOWED})

        assert (preflight.status_code, actual.status_code) == (200, 503)
        for response in (preflight, actual):
            assert response.headers['Access-Control-Allow-Origin'] == ALLOWED
        assert 'Retry-After' in actual.headers['Access-Control-Expose-Headers']

    def test_accepts_a_preflight_beyond_the_rate_limit(self, serve):
        client = serve(
            lambda: None, rule='/api/probe', methods=('GET', 'OPTIONS'), limit='1/hour',
            settings={'RATELIMIT_ENABLED': True},
        )  # fmt: skip

        found = [client.options('/api/probe', headers=PREFLIGHT).status_code for _ in range(3)]
        limited = [client.options('/api/probe').status_code for _ in range(2)]

        assert (found, limited) == ([200, 200, 200], [200, 429])


class TestAnnouncePatchTypes:
    def test_names_the_accepted_types_of_patch(self, serve):
        class AnyRequest(Schema):
            pass

        client = serve(lambda body: None, methods=('PATCH',), body=AnyRequest)

        assert client.options('/probe').headers['Accept-Patch'] == 'application/json'

    def test_adds_nothing_to_routes_without_patch(self, serve):
        assert 'Accept-Patch' not in serve(lambda: None).options('/probe').headers


class TestCors:
    URL = '/api/probe'

    @pytest.fixture
    def client(self, serve):
        return serve(lambda: None, rule=self.URL)

    @pytest.mark.parametrize('origin', [ALLOWED, 'http://localhost:5173'])
    def test_allows_the_configured_origins(self, client, origin):
        response = client.get(self.URL, headers={'Origin': origin})

        assert response.headers['Access-Control-Allow-Origin'] == origin
        assert 'Access-Control-Allow-Credentials' not in response.headers
        exposed = response.headers['Access-Control-Expose-Headers']
        assert {'ETag', 'Link', 'Retry-After', 'X-Request-ID'} <= set(exposed.split(', '))

    @pytest.mark.parametrize(
        'origin',
        [
            'https://evil.example',
            'null',
            '*',
            '',
            'http://app.example.test',
            'https://app.example.test:444',
            'https://APP.example.test',
            'https://sub.app.example.test',
            'https://app.example.test.evil.example',
            'https://evil-app.example.test',
            'https://appXexample.test',
            'https://app.example.test/',
            'https://app.example.test@evil.example',
            'http://localhost:51730',
            'http://localhost',
            f'{ALLOWED}, https://evil.example',
        ],
    )
    def test_rejects_all_other_origins(self, client, origin):
        response = client.get(self.URL, headers={'Origin': origin})
        preflight = client.options(
            self.URL, headers={'Origin': origin, 'Access-Control-Request-Method': 'GET'}
        )

        assert response.status_code == 200
        for answer in (response, preflight):
            assert not [name for name, _ in answer.headers if name.startswith('Access-')]

    def test_returns_200_for_a_preflight(self, client):
        response = client.options(
            self.URL,
            headers={
                'Origin': ALLOWED,
                'Access-Control-Request-Method': 'POST',
                'Access-Control-Request-Headers': 'authorization, content-type, x-evil',
            },
        )

        assert response.status_code == 200
        assert response.data == b''
        assert 'Content-Type' not in response.headers
        assert response.headers['Access-Control-Allow-Origin'] == ALLOWED
        assert 'POST' in response.headers['Access-Control-Allow-Methods']
        assert response.headers['Access-Control-Max-Age'] == '600'
        allowed = response.headers['Access-Control-Allow-Headers'].lower()
        assert set(allowed.split(', ')) == {'authorization', 'content-type'}

    @pytest.mark.parametrize(
        ('settings', 'allowed'),
        [
            ({}, {'traceparent', 'tracestate', 'baggage', 'x-requested-with', 'cache-control'}),
            ({'CORS_ALLOW_HEADERS': ['X-Own']}, {'x-own'}),
        ],
    )
    def test_allows_the_configured_and_the_declared_request_headers(self, serve, settings, allowed):
        declared = {'X-Link-Password': Header('')}
        client = serve(
            lambda: None, rule=self.URL, extra_request_headers=declared, settings=settings
        )

        response = client.options(
            self.URL,
            headers={
                'Origin': ALLOWED,
                'Access-Control-Request-Method': 'GET',
                'Access-Control-Request-Headers': (
                    'traceparent, tracestate, baggage, x-requested-with, cache-control, x-own, '
                    'x-link-password, idempotency-key, x-evil'
                ),
            },
        )

        found = response.headers['Access-Control-Allow-Headers'].lower()
        assert set(found.split(', ')) == allowed | {'x-link-password', 'idempotency-key'}

    def test_exposes_the_declared_response_headers(self, serve):
        declared = {'extra_response_headers': {'X-File-Id': Header('')}}
        policy = (*API, ('Tus-Resumable', '1.0.0'))
        client = serve(lambda: None, rule=self.URL, security_headers=policy, **declared)

        response = client.get(self.URL, headers={'Origin': ALLOWED})

        exposed = response.headers['Access-Control-Expose-Headers'].split(', ')
        assert {'X-File-Id', 'Tus-Resumable', 'WWW-Authenticate', 'Allow'} <= {*exposed}
        assert 'X-Frame-Options' not in exposed

    def test_is_added_to_a_response_that_replaces_another(self, serve):
        client = serve(lambda: Response(bytes(100_000)), rule=self.URL, errors=[TooManyRequests])

        def reject(client: object) -> None:
            raise TooManyRequests(5)

        response = client.get(
            self.URL, headers={'Origin': ALLOWED}, environ_overrides={CLAIM_RESPONSE: reject}
        )

        assert response.status_code == 429
        assert response.headers['Access-Control-Allow-Origin'] == ALLOWED

    @pytest.mark.parametrize('headers', [{}, {'Origin': ALLOWED}, {'Origin': 'https://evil.test'}])
    @pytest.mark.parametrize('handler', [lambda: None, bug])
    def test_sends_the_vary_header_exactly_once(self, serve, handler, headers):
        settings = {'PROPAGATE_EXCEPTIONS': False}
        client = serve(handler, rule=self.URL, settings=settings)

        for method in ('GET', 'POST', 'PUT', 'OPTIONS'):
            response = client.open(self.URL, method=method, headers=headers)

            assert ', '.join(response.headers.getlist('Vary')).count('Origin') == 1
            is_allowed = 'Access-Control-Allow-Origin' in response.headers
            assert is_allowed is (ALLOWED in headers.values())

    def test_allows_the_reading_of_errors(self, client):
        response = client.get('/api/nowhere', headers={'Origin': ALLOWED})

        assert response.status_code == 404
        assert response.headers['Access-Control-Allow-Origin'] == ALLOWED

    def test_applies_to_the_api_only(self, client):
        response = client.get('/healthz', headers={'Origin': ALLOWED})

        assert 'Access-Control-Allow-Origin' not in response.headers

    def test_is_off_without_configured_origins(self, serve):
        client = serve(lambda: None, rule=self.URL, settings={'CORS_ORIGINS': []})

        response = client.get(self.URL, headers={'Origin': ALLOWED})

        assert 'Access-Control-Allow-Origin' not in response.headers
        assert response.headers['Vary'] == 'Origin'
