"""Fixtures for the tests of the feature `auth`."""

from collections.abc import Callable
from typing import Any

import pytest

from project.core import throttling
from project.core.request_context import (
    RequestContext,
    set_request_context,
)
from tests.kit.clients import IsolatedClient
from tests.kit.responses import data

from .factories import PASSWORD

SESSIONS = '/api/v1/auth/sessions'


@pytest.fixture(autouse=True)
def no_counter_cleanup(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disable the clean-up of attempt counters, which runs after random attempts.

    Some tests count the statements of a request.
    """
    monkeypatch.setattr(throttling, 'ATTEMPTS_PER_CLEANUP', 1 << 62)


@pytest.fixture
def logged_in(
    client: IsolatedClient, bearer: Callable[[str], IsolatedClient]
) -> Callable[..., IsolatedClient]:
    """Return a function that logs a user in over HTTP.

    It returns a test client that sends the token of the new session.
    """

    def log_in(user: Any, password: str = PASSWORD, agent: str = 'tests') -> IsolatedClient:
        response = client.post(
            SESSIONS,
            json={'user_or_email': user.username, 'password': password},
            headers={'User-Agent': agent},
        )
        return bearer(data(response)['token'])

    return log_in


@pytest.fixture
def set_client_ip() -> Callable[[str], None]:
    """Return a function that sets the client IP address of the request context."""
    return lambda address: set_request_context(RequestContext(ip_address=address))
