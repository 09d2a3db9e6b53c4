"""Test clients: anonymous, with a login, with an API key, or with any bearer token."""

from collections.abc import Callable, Iterable
from contextvars import Context
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from project.core.clock import now
from project.core.security.permissions import all_permissions
from project.core.security.principal import Principal
from project.core.web.endpoints.endpoint_spec import ENDPOINT_SPECS
from project.core.web.openapi.document import GENERATED, operations_at
from project.core.web.responses.headers import EXPOSED_HEADERS
from project.users.models import User, permissions_of
from tests.users.factories import UserFactory

# Headers that belong to single routes, beside those that their specs declare. All other headers are
# part of every response, or of every error.
SPECIFIC_HEADERS = {*EXPOSED_HEADERS} - {
    'X-Request-ID', 'RateLimit', 'RateLimit-Policy', 'Retry-After', 'WWW-Authenticate', 'Allow',
    'Accept', 'Accept-Encoding', 'Accept-Patch', 'Idempotency-Replayed',
}  # fmt: skip

# The contents of the JSON responses of this test, by path, query and `ETag`.
SEEN_ETAGS: dict[tuple[str, bytes, str], bytes] = {}

# An API key is never a recent login, so routes with `fresh=True` reject it.
NEVER = datetime.min.replace(tzinfo=UTC)


class IsolatedClient(FlaskClient):
    """A test client whose requests use another application context than the test.

    Flask reuses an existing application context. An ordinary client would therefore run in the
    context of the test, read uncommitted rows, and hide a missing commit.

    If the application has an OpenAPI document, the client checks that the document contains the
    headers of each successful response. It also checks that no `ETag` belongs to two
    contents: otherwise a client would keep an outdated one. A response 201 must have the
    URL of the created object, or its declaration the reason why not.
    """

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        response = Context().run(super().open, *args, **kwargs)
        _ensure_one_content_per_etag(response)
        if response.status_code == 201:
            _ensure_location(self.application, response)
        is_documented = response.status_code < 300 and response.request.method != 'OPTIONS'
        if is_documented and GENERATED.is_set(self.application):
            specs = ENDPOINT_SPECS.of(self.application).values()
            specific = SPECIFIC_HEADERS.union(*(spec.extra_response_headers for spec in specs))
            surplus = specific & set(response.headers.keys()) - self._documented(response)
            assert not surplus, (
                f'{response.request.path}: the OpenAPI document does not contain {surplus}'
            )
        # `fails_with` reads the fields of the route from it.
        response.application = self.application  # type: ignore[attr-defined]
        return response

    def _documented(self, response: TestResponse) -> set[str]:
        asked = response.request
        urls = self.application.url_map.bind('')
        rule, _ = urls.match(asked.path, asked.method, return_rule=True)
        operations = operations_at(rule, self.application)
        operation = operations.get(asked.method.lower()) or operations['get']
        return set(operation['responses'][str(response.status_code)].get('headers', {}))


def _ensure_location(app: Flask, response: TestResponse) -> None:
    asked, urls = response.request, app.url_map.bind('')
    rule, _ = urls.match(asked.path, asked.method, return_rule=True)
    spec = ENDPOINT_SPECS.of(app)[rule.endpoint, asked.method]
    if spec.without_location is None:
        # The service may be mounted below a path (`SCRIPT_NAME`).
        url = (response.location or '').removeprefix(asked.environ['SCRIPT_NAME'])
        assert urls.allowed_methods(url), f'{asked.path}: Location {url!r} is no URL of the service'


def _ensure_one_content_per_etag(response: TestResponse) -> None:
    """Compare a JSON response to GET with the earlier ones that had the same URL and `ETag`."""
    asked = response.request
    etag = response.headers.get('ETag')
    if etag and asked.method == 'GET' and response.status_code == 200 and response.is_json:
        known = SEEN_ETAGS.setdefault((asked.path, asked.query_string, etag), response.data)
        assert known == response.data, f'{asked.path} has one ETag for two contents: {etag}'


def authorized_client(app: Flask, authorization: str) -> IsolatedClient:
    """Return a test client that sends an `Authorization` header."""
    client = app.test_client()
    client.environ_base['HTTP_AUTHORIZATION'] = authorization
    assert isinstance(client, IsolatedClient)
    return client


def bearer_client(app: Flask, token: str) -> IsolatedClient:
    """Return a test client that sends a bearer token."""
    return authorized_client(app, f'Bearer {token}')


@pytest.fixture
def client(app: Flask) -> IsolatedClient:
    """A test client that is not logged in."""
    client = app.test_client()
    assert isinstance(client, IsolatedClient)
    return client


@pytest.fixture
def bearer(app: Flask) -> Callable[[str], IsolatedClient]:
    """Return a function that returns a test client with a bearer token: `bearer(token)`.

    The guard checks the token, as in production. `as_user` and `as_key` need no token.
    """
    return lambda token: bearer_client(app, token)


@pytest.fixture
def login_as(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Callable[..., IsolatedClient]:
    """Return a function that returns a client of a principal; `as_user` and `as_key` call it.

    The guard identifies these clients without the feature `auth`.
    """
    principals: dict[str, Principal] = {}
    monkeypatch.setitem(app.extensions, 'identify', principals.get)
    monkeypatch.setitem(app.extensions, 'reload_principal', lambda principal: principal)

    def become(user: Any, permissions: Iterable[str] | None, **credential: Any) -> IsolatedClient:
        found = User.find((user or UserFactory()).id)
        assert found is not None, f'user {user.id} does not exist'
        held = permissions_of(found.roles) if permissions is None else permissions
        token = f'token-{len(principals)}'
        principals[token] = Principal(
            user_id=found.id,
            username=found.username,
            permissions=_registered('permission', held),
            session_id=None,
            user=found,
            **credential,
        )
        return bearer_client(app, token)

    return become


@pytest.fixture
def as_user(login_as: Callable[..., IsolatedClient]) -> Callable[..., IsolatedClient]:
    """Return a function that returns a test client with a fresh login.

    - `as_user()`: a new user with the permissions of a member
    - `as_user(ada)`: this user with the permissions of the user's roles
    - `as_user(permissions={'notes:read'})` or `as_user(ada, permissions=…)`: the login has exactly
      these permissions. The roles of the user stay as they are.
    - `as_user(ada, authenticated_at=…)`: a login at this time

    Raises ValueError for an unknown permission. The feature `auth` is not involved.
    """

    def become(
        user: Any = None,
        *,
        permissions: Iterable[str] | None = None,
        authenticated_at: datetime | None = None,
    ) -> IsolatedClient:
        return login_as(user, permissions, authenticated_at=authenticated_at or now())

    return become


@pytest.fixture
def as_key(login_as: Callable[..., IsolatedClient]) -> Callable[..., IsolatedClient]:
    """Return a function that returns a test client with an API key.

    - `as_key(scopes={'notes:read'})`: the key of a new user
    - `as_key(ada, scopes=…)`: the key of this user

    The key has those permissions of the user that are among its scopes. Raises ValueError for an
    unknown scope. The feature `auth` is not involved.
    """

    def become(user: Any = None, *, scopes: Iterable[str]) -> IsolatedClient:
        return login_as(
            user,
            None,
            scopes=_registered('scope', scopes),
            key_id=uuid4(),
            authenticated_at=NEVER,
        )

    return become


def _registered(kind: str, names: Iterable[str]) -> frozenset[str]:
    """Return names of permissions as a set.

    :param kind: `permission` or `scope`, for the error message.
    :raises ValueError: if no feature has registered one of them, or `names` is a single text.
    """
    if isinstance(names, str):
        raise ValueError(f'{kind}s are a set: write {{{names!r}}}')
    known = all_permissions()
    if unknown := sorted(set(names) - known):
        names = ', '.join(map(repr, unknown))
        raise ValueError(f'unknown {kind} {names}; registered: {", ".join(sorted(known))}')
    return frozenset(names)
