"""Recognition of requests that hash a password, for all spellings of their URL."""

from pathlib import Path

import pytest
from flask import Blueprint, Flask

from project.core.security import password_hashing
from project.core.server.password_requests import PasswordRequests
from project.core.web.endpoints.access import public
from project.core.web.endpoints.endpoint import endpoint
from tests.core.apps import kernel_app

from .serving import get, post

LOGIN = '/api/v1/boats/logins'
SHARED = '/api/v1/boats/shared/token/content'


@pytest.fixture(scope='module')
def boats_app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """Return an application with routes that hash passwords, and others."""
    boats = Blueprint('boats', __name__, url_prefix='/api/v1/boats')
    for method, rule, hashes in (
        ('POST', '/logins', True),
        ('PUT', '/passwords', True),
        ('POST', '/logins/refresh', False),
        ('POST', '/<uuid:boat_id>/links', True),
        ('GET', '/shared/<string:token>/content', 'X-Link-Password'),
    ):
        declared = endpoint(allow=public, hashes_password=hashes)
        route = boats.route(rule, methods=[method], endpoint=rule.replace('/', '_'))
        route(declared(lambda **_: None))
    with kernel_app(Path(tmp_path_factory.mktemp('boats')), boats) as app:
        yield app


@pytest.fixture(scope='module')
def requests(boats_app: Flask) -> PasswordRequests:
    """Return the object that recognizes the password requests of the application."""
    return PasswordRequests(boats_app)


class TestMatches:
    @pytest.mark.parametrize(
        'path',
        [
            LOGIN,
            LOGIN + '?x=1',
            '/api/v1/boats/%6Cogins',
            '/%61pi/v1/boats/logins',
            '//api/v1/boats/logins',
            '/api/v1/boats%2Flogins',
            'http://localhost/api/v1/boats/logins',
        ],
    )
    def test_returns_true_for_every_spelling_of_the_login_url(
        self, requests: PasswordRequests, path: str
    ) -> None:
        assert requests.matches(post(3, path=path) + b'abc')

    @pytest.mark.parametrize(
        ('method', 'path'),
        [
            ('POST', '/logins'),
            ('PUT', '/passwords'),
            ('POST', '/00000000-0000-0000-0000-000000000000/links'),
        ],
    )
    def test_returns_true_for_each_route_that_hashes_a_password(
        self, requests: PasswordRequests, method: str, path: str
    ) -> None:
        request = post(0, path=f'/api/v1/boats{path}')

        assert requests.matches(request.replace(b'POST', method.encode()))

    @pytest.mark.parametrize(
        'head',
        [
            get(LOGIN),
            post(0, path=f'{LOGIN}/refresh'),
            post(0, path='/api/v1/boats/passwords'),
            post(0, path='/nowhere'),
            post(0, path='/api//v1/boats/logins'),  # The application returns 404.
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
            (f'{LOGIN}/refresh', ['POST boats._logins_refresh']),
        ],
    )
    def test_contains_the_undeclared_route(
        self, boats_app: Flask, undeclared_hashing: list[str], path: str, found: list[str]
    ) -> None:
        with boats_app.test_request_context(path, method='POST'):
            boats_app.preprocess_request()
            password_hashing.verify_password(None, 'secret')

        assert undeclared_hashing == found
        undeclared_hashing.clear()
