"""Fixtures for the tests of the security standard OWASP ASVS: users who send requests."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from tests.auth.factories import PASSWORD, account
from tests.kit.clients import IsolatedClient
from tests.kit.mailbox import Mailbox
from tests.kit.responses import data

API = '/api/v1'
SESSIONS = f'{API}/auth/sessions'


class Person:
    """A user with a test client and the tokens of the user's last login."""

    def __init__(self, app: Flask, name: str, password: str = PASSWORD) -> None:
        self.client = app.test_client()
        self.name, self.password = name, password
        self.tokens: dict[str, Any] = {}

    def call(self, method: str, path: str, json: Any = None, **headers: str) -> Any:
        """Send a request with the access token of the last login."""
        if self.tokens:
            headers = {'Authorization': f'Bearer {self.tokens["token"]}', **headers}
        url = path if path.startswith(API) else API + path
        return self.client.open(url, method=method, json=json, headers=headers, buffered=True)

    def log_in(self, **more: Any) -> Any:
        """Log in and store the new tokens."""
        body = {'user_or_email': self.name, 'password': self.password, **more}
        response = self.client.post(SESSIONS, json=body)
        if response.status_code == 201:
            self.tokens = data(response)
        return response

    def refresh(self) -> Any:
        """Refresh the session and store the new tokens."""
        body = {'refresh_token': self.tokens['refresh_token']}
        response = self.client.post(f'{SESSIONS}/refresh', json=body)
        if response.status_code == 200:
            self.tokens = data(response)
        return response

    def is_logged_in(self) -> bool:
        """Return whether the service accepts the access token."""
        return bool(self.call('GET', '/users/me').status_code == 200)


@pytest.fixture
def make_person(app: Flask) -> Callable[..., Person]:
    """Return a function that creates a user and returns a `Person`, not logged in."""

    def make(name: str, password: str = PASSWORD, **user: Any) -> Person:
        account(password, username=name, email=f'{name}@example.com', **user)
        return Person(app, name, password)

    return make


@pytest.fixture
def ada(make_person: Callable[..., Person]) -> Person:
    """Return a user who has just logged in."""
    person = make_person('ada')
    assert person.log_in().status_code == 201
    return person


@pytest.fixture
def admin(make_person: Callable[..., Person]) -> Person:
    """Return an admin who has just logged in."""
    person = make_person('grace', roles=['member', 'admin'])
    assert person.log_in().status_code == 201
    return person


@pytest.fixture
def mailed(mailbox: Mailbox) -> Callable[..., str]:
    """Return a function that returns the code in the newest mail to this email address."""

    def code_to(address: str) -> str:
        return mailbox.latest(to=address).code

    return code_to


@pytest.fixture
def anonymous(client: IsolatedClient) -> IsolatedClient:
    """Return a test client that is not logged in."""
    return client
