"""What the tests of the standard share: people, as they come in over HTTP."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import time_machine
from flask import Flask

from project.core.clock import now
from tests.auth.factories import PASSWORD, account
from tests.auth.pins import plain
from tests.client import IsolatedClient, data

API = '/api/v1'
SESSIONS = f'{API}/auth/sessions'


class Person:
    """Somebody at a client of their own, with the tokens that their logins have brought."""

    def __init__(self, app: Flask, name: str, password: str = PASSWORD) -> None:
        self.client = app.test_client()
        self.name, self.password = name, password
        self.tokens: dict[str, Any] = {}

    def call(self, method: str, path: str, json: Any = None, **headers: str) -> Any:
        """Send a request with the token of the last login."""
        if self.tokens:
            headers = {'Authorization': f'Bearer {self.tokens["token"]}', **headers}
        url = path if path.startswith(API) else API + path
        return self.client.open(url, method=method, json=json, headers=headers, buffered=True)

    def log_in(self, **more: Any) -> Any:
        """Log in, and keep what that brings."""
        body = {'user_or_email': self.name, 'password': self.password, **more}
        response = self.client.post(SESSIONS, json=body)
        if response.status_code == 201:
            self.tokens = data(response)
        return response

    def refresh(self) -> Any:
        """Get the next tokens, and keep them."""
        body = {'refresh_token': self.tokens['refresh_token']}
        response = self.client.post(f'{SESSIONS}/refresh', json=body)
        if response.status_code == 200:
            self.tokens = data(response)
        return response

    def is_known(self) -> bool:
        """Tell whether the last token opens anything."""
        return bool(self.call('GET', '/users/me').status_code == 200)


@pytest.fixture
def somebody(app: Flask) -> Callable[..., Person]:
    """Return a function that makes a user, and gives them as a person who is not logged in yet."""

    def make(name: str, password: str = PASSWORD, **user: Any) -> Person:
        account(password, username=name, email=f'{name}@example.com', **user)
        return Person(app, name, password)

    return make


@pytest.fixture
def ada(somebody: Callable[..., Person]) -> Person:
    """Somebody who has just logged in."""
    person = somebody('ada')
    assert person.log_in().status_code == 201
    return person


@pytest.fixture
def admin(somebody: Callable[..., Person]) -> Person:
    """Somebody who may do everything, and has just logged in."""
    person = somebody('grace', roles=['member', 'admin'])
    assert person.log_in().status_code == 201
    return person


@pytest.fixture
def clock() -> Iterator[Any]:
    """A clock that stands still unless it is moved."""
    with time_machine.travel(now(), tick=False) as clock:
        yield clock


@pytest.fixture
def mailed(mailbox: Callable[[], list[Any]]) -> Callable[..., str]:
    """Return a function that gives the code in the newest mail to an address."""

    def code_to(address: str) -> str:
        mail = [mail for mail in mailbox() if mail['To'] == address][-1]
        found: str = re.findall(r'^\s+([0-9]{6}|[A-Z2-7-]{16,19})\s*$', plain(mail), re.MULTILINE)[
            0
        ]
        return found

    return code_to


@pytest.fixture
def anybody(client: IsolatedClient) -> IsolatedClient:
    """A client that is nobody."""
    return client
