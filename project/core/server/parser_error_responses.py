"""JSend responses to requests that gunicorn rejects before they reach the application."""

import json
import re
from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Any

from gunicorn.http.errors import ConfigurationProblem, InvalidHTTPVersion
from gunicorn.util import http_date

from project.core.web.responses.error_handlers import FAIL_KEYS
from project.core.web.responses.headers import API

from .request_metrics import REJECTED
from .request_state import HEAD_END

CORS_PATTERN = re.compile(rb'\r\norigin:[ \t]*([^\r]*)\r\n', re.IGNORECASE)
RETRYABLE = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)


class ResponseRecorder:
    """A replacement of a socket. gunicorn writes its error page to it, to learn the status code."""

    sent = b''

    def status_for(self, error: BaseException) -> HTTPStatus:
        """Return the status code of the response to a request with this error.

        It is that of the recorded page, with two exceptions. gunicorn's page has the code 400 for
        another major version of HTTP instead of 505 (RFC 9110, section 15.6.6), and 500 for a path
        outside `SCRIPT_NAME`.
        """
        if isinstance(error, ConfigurationProblem):
            return HTTPStatus.NOT_FOUND
        if isinstance(error, InvalidHTTPVersion) and isinstance(error.version, tuple):
            return HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
        return HTTPStatus(int(self.sent.split(maxsplit=2)[1]))

    def gettimeout(self) -> float:
        """Return 0.0, so that gunicorn treats this as a non-blocking socket."""
        return 0.0

    def sendall(self, data: bytes) -> None:
        """Record a part of the page."""
        self.sent += data


def cors_headers(received: bytes, origins: Collection[str]) -> dict[str, str]:
    """Return the headers with which a page of another origin may read an error response.

    :param received: the bytes of the request that have arrived.
    :param origins: the allowed origins (`CORS_ORIGINS`).
    """
    if not origins:
        return {}
    end = received.find(HEAD_END)
    # A head that is too long may have no end yet.
    match = CORS_PATTERN.search(received, 0, end + 2 if end >= 0 else len(received))
    origin = match[1].strip().decode('latin-1') if match else ''
    if origin not in origins:
        return {}
    return {
        'Access-Control-Allow-Origin': origin,
        'Access-Control-Expose-Headers': 'Retry-After, X-Request-ID',
    }


def error_response(
    status: HTTPStatus, request_id: str, headers: Mapping[str, str] | None = None
) -> bytes:
    """Return the response to a request that does not reach the application."""
    REJECTED.increment(str(int(status)))
    key = FAIL_KEYS.get(status, 'request')
    answer: dict[str, Any] = {'status': 'fail', 'data': {key: [status.description]}}
    if status >= 500:
        answer = {'status': 'error', 'message': status.phrase, 'code': status}
    body = json.dumps(answer).encode()
    head = (
        f'HTTP/1.1 {status:d} {status.phrase}',
        f'Date: {http_date()}',
        'Connection: close',
        'Content-Type: application/json',
        f'Content-Length: {len(body)}',
        *(['Retry-After: 2'] if status in RETRYABLE else []),
        *(f'{name}: {value}' for name, value in API),
        f'X-Request-ID: {request_id}',
        'Vary: Origin',
        *(f'{name}: {value}' for name, value in (headers or {}).items()),
    )
    return '\r\n'.join((*head, '', '')).encode() + body
