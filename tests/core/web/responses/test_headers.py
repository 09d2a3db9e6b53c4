"""Headers of every response."""

import re

import pytest
from flask import Response
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import NotFound as NoSuchUrl

from project.core.errors import (
    BadRequest,
    InsufficientStorage,
    NotFound,
    RangeNotSatisfiable,
    ServiceUnavailable,
    TooManyRequests,
)
from project.core.web.endpoints.access import authenticated
from project.core.web.openapi.docs_page import DOCS
from project.core.web.responses.headers import API, HSTS, PUBLIC_CONTENT, USER_CONTENT

STRICT = {
    'Cache-Control': 'no-store',
    'Content-Security-Policy': (
        "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
    ),
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Permissions-Policy': 'geolocation=(), microphone=(), camera=()',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'X-DNS-Prefetch-Control': 'off',
    'X-Frame-Options': 'DENY',
    'X-Permitted-Cross-Domain-Policies': 'none',
}
ALLOWED = 'https://app.example.test'


def bug():
    raise ZeroDivisionError


def carried(response):
    return {name: response.headers.get(name) for name in STRICT}


class TestPolicy:
    def test_is_strict_on_a_success(self, serve):
        assert carried(serve(lambda: None).get('/probe')) == STRICT

    @pytest.mark.parametrize(
        ('method', 'url', 'code'),
        [('GET', '/nowhere', 404), ('PUT', '/probe', 405), ('POST', '/probe', 401)],
    )
    def test_is_strict_on_an_error(self, serve, method, url, code):
        client = serve(lambda: None, allow=authenticated())

        response = client.open(url, method=method)

        assert response.status_code == code
        assert carried(response) == STRICT

    def test_is_strict_on_a_bug(self, serve):
        client = serve(bug, settings={'PROPAGATE_EXCEPTIONS': False})

        response = client.get('/probe')

        assert response.status_code == 500
        assert carried(response) == STRICT

    def test_is_strict_on_a_405_of_a_route_with_a_looser_policy(self, serve):
        client = serve(lambda: None, security_headers=PUBLIC_CONTENT, methods=('GET',))

        assert carried(client.put('/probe')) == STRICT

    @pytest.mark.parametrize(
        ('policy', 'cache', 'embedding'),
        [
            (USER_CONTENT, 'private, no-cache', 'same-origin'),
            (PUBLIC_CONTENT, 'max-age=300', 'cross-origin'),
        ],
    )
    def test_is_looser_if_the_route_declares_it(self, serve, policy, cache, embedding):
        response = serve(lambda: None, security_headers=policy).get('/probe')

        csp = STRICT['Content-Security-Policy'].replace("'none';", "'none'; sandbox;", 1)
        assert carried(response) == {
            **STRICT,
            'Cache-Control': cache,
            'Cross-Origin-Resource-Policy': embedding,
            'Content-Security-Policy': csp,
        }

    @pytest.mark.parametrize('url', ['/probe', '/nowhere'])
    @pytest.mark.parametrize(('proxies', 'scheme'), [(0, 'http'), (0, 'https'), (1, 'https')])
    def test_contains_hsts_over_https_only(self, serve, url, proxies, scheme):
        client = serve(lambda: None, settings={'TRUSTED_PROXIES': proxies})

        response = client.get(url, headers={'X-Forwarded-Proto': scheme})

        name, value = HSTS
        expected = value if proxies and scheme == 'https' else None
        assert response.headers.get(name) == expected

    def test_keeps_headers_that_the_route_has_set(self, serve):
        client = serve(lambda: Response(headers={'Cache-Control': 'no-cache'}))

        assert client.get('/probe').headers.getlist('Cache-Control') == ['no-cache']


class TestCachePolicy:
    @pytest.mark.parametrize(
        ('error', 'code'),
        [
            (BadRequest, 400), (NotFound, 404), (lambda: RangeNotSatisfiable(5), 416),
            (lambda: TooManyRequests(5), 429), (ZeroDivisionError, 500),
            (lambda: ServiceUnavailable('busy'), 503), (lambda: InsufficientStorage('full'), 507),
            (NoSuchUrl, 404), (lambda: OperationalError('', {}, Exception()), 503),
        ],
    )  # fmt: skip
    def test_does_not_apply_to_errors(self, serve, error, code):
        def fail():
            raise error()

        settings = {'PROPAGATE_EXCEPTIONS': False, 'TESTING': False}
        client = serve(fail, security_headers=PUBLIC_CONTENT, settings=settings)

        response = client.get('/probe', headers={'Origin': ALLOWED})

        assert response.status_code == code
        assert response.headers.getlist('Cache-Control') == ['no-store']
        assert response.headers.getlist('Vary') == ['Accept, Origin']

    def test_does_not_apply_to_an_error_that_the_route_returns(self, serve):
        client = serve(lambda: Response(status=410, headers={'Cache-Control': 'public'}))

        response = client.get('/probe')

        assert response.headers.getlist('Cache-Control') == ['no-store']

    @pytest.mark.parametrize('code', [200, 202, 206, 302, 304])
    @pytest.mark.parametrize('policy', [PUBLIC_CONTENT, USER_CONTENT, DOCS, API])
    def test_applies_to_successes_and_304(self, serve, policy, code):
        client = serve(lambda: Response(status=code), security_headers=policy)

        response = client.get('/probe')

        assert response.headers['Cache-Control'] == dict(policy)['Cache-Control']
        assert response.headers.getlist('Vary') == ['Origin']

    def test_keeps_the_vary_of_the_route(self, serve):
        client = serve(lambda: Response(headers=[('Vary', 'Range'), ('Vary', 'Origin')]))

        assert client.get('/probe').headers.getlist('Vary') == ['Range, Origin']

    def test_does_not_apply_during_maintenance(self, kernel, tmp_path):
        (tmp_path / 'maintenance').touch()

        response = kernel().test_client().get('/api/v1/docs')

        assert response.status_code == 503
        assert 'no-store' in response.headers['Cache-Control']
        assert 'Accept' in response.vary


class TestRequestId:
    @pytest.mark.parametrize('sent', ['abc', 'A-1_b.c', 'x' * 64])
    def test_is_that_of_the_client_if_it_is_valid(self, serve, sent):
        response = serve(lambda: None).get('/probe', headers={'X-Request-ID': sent})

        assert response.headers.getlist('X-Request-ID') == [sent]

    @pytest.mark.parametrize('sent', ['', 'x' * 65, 'a b', 'ü', '{}', '<script>', 'a\tb'])
    def test_is_generated_if_that_of_the_client_is_invalid(self, serve, sent):
        response = serve(lambda: None).get('/probe', headers={'X-Request-ID': sent})

        assert re.fullmatch('[0-9a-f]{32}', response.headers['X-Request-ID'])

    def test_differs_for_every_request(self, serve):
        client = serve(lambda: None)

        assert len({client.get('/probe').headers['X-Request-ID'] for _ in range(5)}) == 5

    @pytest.mark.parametrize('url', ['/nowhere', '/probe'])
    def test_is_on_errors_and_bugs_as_well(self, serve, url):
        client = serve(bug, settings={'PROPAGATE_EXCEPTIONS': False})

        response = client.get(url, headers={'X-Request-ID': 'abc'})

        assert response.headers['X-Request-ID'] == 'abc'
