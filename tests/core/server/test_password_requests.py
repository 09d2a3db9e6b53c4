"""Recognition of requests that hash a password, for all spellings of their URL."""

import pytest
from flask import Flask

from project.core.security import password_hashing
from project.core.server.password_requests import PasswordRequests

from .serving import get, post

LOGIN = '/api/v1/auth/sessions'
SHARED = '/api/v1/files/shared/psl_token/content'


@pytest.fixture(scope='session')
def requests(app: Flask) -> PasswordRequests:
    """Return the object that recognizes the password requests of the real application."""
    return PasswordRequests(app)


class TestMatches:
    @pytest.mark.parametrize(
        'path',
        [
            LOGIN,
            LOGIN + '?x=1',
            '/api/v1/auth/%73essions',
            '/%61pi/v1/auth/sessions',
            '//api/v1/auth/sessions',
            '/api/v1/auth%2Fsessions',
            'http://localhost/api/v1/auth/sessions',
        ],
    )
    def test_returns_true_for_every_spelling_of_the_login_url(
        self, requests: PasswordRequests, path: str
    ) -> None:
        assert requests.matches(post(3, path=path) + b'abc')

    @pytest.mark.parametrize(
        ('method', 'path'),
        [
            ('POST', '/auth/accounts'),
            ('PUT', '/auth/verifications'),
            ('PUT', '/auth/invitations'),
            ('PUT', '/auth/password'),
            ('PUT', '/auth/password-resets'),
            ('POST', '/auth/sessions/current/reauthentication'),
            ('POST', '/files/00000000-0000-0000-0000-000000000000/links'),
        ],
    )
    def test_returns_true_for_each_route_that_hashes_a_password(
        self, requests: PasswordRequests, method: str, path: str
    ) -> None:
        assert requests.matches(post(0, path=f'/api/v1{path}').replace(b'POST', method.encode()))

    @pytest.mark.parametrize(
        'head',
        [
            get(LOGIN),
            post(0, path=f'{LOGIN}/refresh'),
            post(0, path='/api/v1/auth/password-resets'),
            post(0, path='/nowhere'),
            post(0, path='/api//v1/auth/sessions'),  # The application returns 404.
            post(0, path='http://[/'),
            get('/healthz'),
            b'garbage\r\n\r\n',
            b'',
        ],
    )
    def test_returns_false_for_other_requests(
        self, requests: PasswordRequests, head: bytes
    ) -> None:
        assert not requests.matches(head)

    def test_returns_true_for_a_share_link_only_with_a_password(
        self, requests: PasswordRequests
    ) -> None:
        assert requests.matches(get(SHARED, 'x-link-PASSWORD: secret'))
        assert not requests.matches(get(SHARED))
        assert not requests.matches(get(SHARED) + b'\r\nx-link-password: in the body')
        assert not requests.matches(get('/healthz', 'X-Link-Password: secret'))

    def test_returns_false_for_an_application_without_endpoint_specs(self) -> None:
        assert not PasswordRequests(lambda: None).matches(post(0, path=LOGIN))


class TestUndeclaredHashing:
    """The check in `tests/passwords.py`, which the suite applies to every test."""

    @pytest.mark.parametrize(
        ('path', 'found'),
        [
            (LOGIN, []),
            ('/api/v1/auth/sessions/refresh', ['POST api_v1.auth.session_refresh']),
        ],
    )
    def test_contains_the_undeclared_route(
        self, app: Flask, undeclared_hashing: list[str], path: str, found: list[str]
    ) -> None:
        with app.test_request_context(path, method='POST'):
            app.preprocess_request()
            password_hashing.verify_password(None, 'secret')

        assert undeclared_hashing == found
        undeclared_hashing.clear()
