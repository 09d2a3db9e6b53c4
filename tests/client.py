"""Test clients of the API, and functions that check its responses."""

from contextvars import Context
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from project.core.web.openapi.document import GENERATED, specification
from project.core.web.responses.headers import EXPOSED_HEADERS
from project.core.web.routing import openapi_path

PREFIX = '/api/v1'

# Headers that belong to single routes. All other headers are part of every response.
SPECIFIC_HEADERS = {*EXPOSED_HEADERS, 'Repr-Digest', 'Accept-Ranges'} - {
    'X-Request-ID', 'RateLimit', 'RateLimit-Policy', 'Retry-After', 'Tus-Resumable',
}  # fmt: skip


class IsolatedClient(FlaskClient):
    """A test client whose requests use another application context than the test.

    Flask reuses an existing application context. An ordinary client would therefore run in the
    context of the test, read uncommitted rows, and hide a missing commit.

    If the application has an OpenAPI document, the client checks that the document contains the
    headers of each successful response.
    """

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        response = Context().run(super().open, *args, **kwargs)
        if response.status_code < 300 and GENERATED.is_set(self.application):
            surplus = SPECIFIC_HEADERS & set(response.headers.keys()) - self._documented(response)
            assert not surplus, (
                f'{response.request.path}: the OpenAPI document does not contain {surplus}'
            )
        return response

    def _documented(self, response: TestResponse) -> set[str]:
        asked = response.request
        urls = self.application.url_map.bind('')
        rule, _ = urls.match(asked.path, asked.method, return_rule=True)
        operations = specification(self.application)['paths'][openapi_path(rule)]
        operation = operations.get(asked.method.lower()) or operations['get']
        return set(operation['responses'][str(response.status_code)].get('headers', {}))


def reasons(response: TestResponse) -> dict[str, list[str]]:
    """Return the reasons in a JSend `fail` response; check that it has no other keys."""
    assert response.json is not None
    assert set(response.json) == {'status', 'data'}
    assert response.json['status'] == 'fail'
    return response.json['data']


def data(response: TestResponse) -> Any:
    """Return the data of a JSend `success` response; check that it has no other keys."""
    assert response.json is not None, response.status
    assert set(response.json) == {'status', 'data'}, response.json
    assert response.json['status'] == 'success', response.json
    return response.json['data']
