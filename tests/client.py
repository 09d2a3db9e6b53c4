"""Clients that tests speak to the API with."""

from contextvars import Context
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

PREFIX = '/api/v1'


class HonestClient(FlaskClient):
    """A client whose requests never share the test's context.

    Flask reuses an application context that is there: an ordinary client would run inside the
    test's, see what nobody ever committed, and pass where a service forgot to.
    """

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return Context().run(super().open, *args, **kwargs)


def reasons(response: TestResponse) -> dict[str, list[str]]:
    """Return why a request was refused, having checked that it says so in strict JSend."""
    assert response.json is not None
    assert set(response.json) == {'status', 'data'}
    assert response.json['status'] == 'fail'
    return response.json['data']


def data(response: TestResponse) -> Any:
    """Return what was answered, having checked that it says so in strict JSend."""
    assert response.json is not None, response.status
    assert set(response.json) == {'status', 'data'}, response.json
    assert response.json['status'] == 'success', response.json
    return response.json['data']
