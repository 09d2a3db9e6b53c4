"""Metrics of requests, to the last byte of the response."""

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from flask import Flask, Request, Response, g, request
from werkzeug.local import LocalProxy
from werkzeug.wsgi import ClosingIterator

from project.core.metrics import Counter, Histogram

METHODS = frozenset({'GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'})

DURATION = Histogram(
    'http_server_request_duration_seconds',
    'Time from the request to the last byte of its response.',
    ('http_request_method', 'http_route', 'http_response_status_code'),
    owner=__name__,
)
REQUEST_BYTES = Counter(
    'http_server_request_body_bytes_total',
    'Bytes of request bodies, as their clients announced them.',
    ('http_route',),
    owner=__name__,
)
RESPONSE_BYTES = Counter(
    'http_server_response_body_bytes_total',
    'Bytes of complete response bodies with a known length.',
    ('http_route',),
    owner=__name__,
)
CUT = Counter(
    'http_server_responses_cut_total',
    'Responses that ended before their last byte: the client left, or reading failed.',
    ('http_route',),
    owner=__name__,
)


def measure_requests(app: Flask) -> None:
    """Measure all requests of an application. Call it before the first request."""
    # Flask calls these functions in reverse order: the first one sees the final response.
    app.after_request_funcs.setdefault(None, []).insert(0, _measure)


def _measure(response: Response) -> Response:
    # Each attribute of the proxy `request` would cost four calls.
    current = cast(LocalProxy[Request], request)._get_current_object()
    rule = current.url_rule
    observe = partial(
        _observe,
        g.started,
        # A client may send any word as its method.
        current.method if current.method in METHODS else 'other',
        rule.rule if rule else 'none',
        response.status[:3],
        current.environ.get('CONTENT_LENGTH'),
        response.headers.get('Content-Length') if current.method != 'HEAD' else None,
    )
    if response.direct_passthrough:
        # The server gets the body itself and sends a file without reading it, so that Werkzeug
        # does not learn when it is closed.
        _call_after(response, observe)
    else:
        response.call_on_close(observe)
    return response


def _call_after(response: Response, observe: Callable[[], None]) -> None:
    body: Any = response.response
    close = getattr(body, 'close', None)
    if close is None:
        response.response = ClosingIterator(body, observe)
        return

    def close_and_observe() -> None:
        close()
        observe()

    body.close = close_and_observe


def _observe(
    started: float, method: str, route: str, status: str, received: str | None, sent: str | None
) -> None:
    """Record a request. The server calls it after the last byte, or while it handles an error."""
    DURATION.observe(time.perf_counter() - started, method, route, status)
    if received and received.isdecimal():
        REQUEST_BYTES.increment(route, by=int(received))
    if sys.exc_info()[0] is not None:
        CUT.increment(route)
    elif sent:
        RESPONSE_BYTES.increment(route, by=int(sent))
