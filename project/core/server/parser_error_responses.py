"""JSend responses to requests that gunicorn rejects before they reach the application."""

import json
from http import HTTPStatus
from typing import Any

from gunicorn.util import http_date

from project.core.web.responses.headers import API

from .request_metrics import REJECTED

RETRYABLE = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)


class ResponseRecorder:
    """A replacement of a socket. gunicorn writes its error page to it, to learn the status code."""

    sent = b''

    @property
    def status(self) -> HTTPStatus:
        """The status code of the recorded page."""
        return HTTPStatus(int(self.sent.split(maxsplit=2)[1]))

    def gettimeout(self) -> float:
        """Return 0.0, so that gunicorn treats this as a non-blocking socket."""
        return 0.0

    def sendall(self, data: bytes) -> None:
        """Record a part of the page."""
        self.sent += data


def error_response(status: HTTPStatus, request_id: str) -> bytes:
    """Return the response to a request that does not reach the application."""
    REJECTED.increment(str(int(status)))
    key = 'rate' if status == HTTPStatus.TOO_MANY_REQUESTS else 'request'
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
    )
    return '\r\n'.join((*head, '', '')).encode() + body
