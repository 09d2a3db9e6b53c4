"""Clients that tests speak to the API with."""

from contextvars import Context
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from project.core.web.openapi.document import URL_ARGUMENT_PATTERN
from project.core.web.responses.headers import EXPOSED_HEADERS

PREFIX = '/api/v1'

# Headers that say something of what was answered, and not of every answer.
TELLING = {*EXPOSED_HEADERS, 'Repr-Digest', 'Accept-Ranges'} - {
    'X-Request-ID', 'RateLimit', 'RateLimit-Policy', 'Retry-After', 'Tus-Resumable',
}  # fmt: skip


class IsolatedClient(FlaskClient):
    """A client whose requests never share the test's context.

    Flask reuses an application context that is there: an ordinary client would run inside the
    test's, see what nobody ever committed, and pass where a service forgot to.

    Where the application has its document, the headers of every success must be in there.
    """

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        response = Context().run(super().open, *args, **kwargs)
        if response.status_code < 300 and 'openapi' in self.application.extensions:
            surplus = TELLING & set(response.headers.keys()) - self._documented(response)
            assert not surplus, f'{response.request.path} tells of {surplus}; openapi.json does not'
        return response

    def _documented(self, response: TestResponse) -> set[str]:
        asked = response.request
        urls = self.application.url_map.bind('')
        rule, _ = urls.match(asked.path, asked.method, return_rule=True)
        operations = self.application.extensions['openapi']['paths'][
            URL_ARGUMENT_PATTERN.sub(r'{\g<name>}', rule.rule)
        ]
        operation = operations.get(asked.method.lower()) or operations['get']
        return set(operation['responses'][str(response.status_code)].get('headers', {}))


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
