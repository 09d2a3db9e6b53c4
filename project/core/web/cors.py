"""CORS for the exact origins in `CORS_ORIGINS`, and the responses to OPTIONS.

The names of the allowed and exposed headers come from the endpoint specs.
"""

import re
from collections.abc import Iterable, Iterator

from flask import Flask, Response, current_app, request
from flask_cors import CORS

from .endpoints.endpoint_spec import ENDPOINT_SPECS, EndpointSpec
from .responses.headers import API, EXPOSED_HEADERS

# Headers that any request may have.
REQUEST_HEADERS = (
    'Accept', 'Authorization', 'Content-Type', 'Idempotency-Key', 'X-Request-ID',
    'If-Match', 'If-None-Match', 'If-Modified-Since', 'If-Unmodified-Since', 'If-Range', 'Range',
)  # fmt: skip
PREFLIGHT_SECONDS = 600


def init_app(app: Flask) -> None:
    """Register the responses to OPTIONS. Call it before the functions that reject requests."""
    app.before_request(answer_options)
    app.after_request(announce_patch_types)


def enable_cors(app: Flask) -> None:
    """Add the CORS headers to responses. Call it after all routes are validated."""
    if not app.config['CORS_ORIGINS']:
        return
    specs = ENDPOINT_SPECS.of(app).values()
    CORS(
        app,
        resources={r'/api/*': {}},
        # flask-cors uses strings as patterns that are not anchored at the end.
        origins=[re.compile(f'{re.escape(origin)}$') for origin in app.config['CORS_ORIGINS']],
        allow_headers=[
            *REQUEST_HEADERS, *app.config['CORS_ALLOW_HEADERS'], *_declared_request_headers(specs),
        ],
        expose_headers=sorted({*EXPOSED_HEADERS, *_declared_response_headers(specs)}),
        max_age=PREFLIGHT_SECONDS,
        send_wildcard=False,
        always_send=False,
        # `end_request` adds `Vary: Origin` to all responses. The response to an unhandled exception
        # would get it twice.
        vary_header=False,
        intercept_exceptions=False,
    )  # fmt: skip
    # Flask runs these functions in reverse order. That of flask-cors must be the last to run,
    # because others replace the response.
    functions = app.after_request_funcs[None]
    functions.insert(0, functions.pop())


def answer_options() -> Response | None:
    """Return the response to a CORS preflight, or to `OPTIONS *` (RFC 9110, section 9.3.7).

    A preflight succeeds in every state of the service, such as maintenance. Otherwise, a browser
    would hide the response to the actual request, with its reason and its `Retry-After`.
    """
    if request.method != 'OPTIONS':
        return None
    if request.environ.get('PATH_INFO') == '*':
        response = Response(status=204)
        response.allow.update(_all_methods())
        return response
    if not {'Origin', 'Access-Control-Request-Method'} <= {*request.headers.keys()}:
        return None
    if request.url_rule is None:
        return Response()
    return current_app.make_default_options_response()


def announce_patch_types(response: Response) -> Response:
    """Add `Accept-Patch` to responses to OPTIONS (RFC 5789, section 3.1)."""
    if request.method == 'OPTIONS' and response.status_code < 300:
        spec = ENDPOINT_SPECS.get().get((str(request.endpoint), 'PATCH'))
        if spec and spec.accepted_types:
            response.headers['Accept-Patch'] = ', '.join(spec.accepted_types)
    return response


def _all_methods() -> list[str]:
    rules = current_app.url_map.iter_rules()
    return sorted({'OPTIONS', *(method for rule in rules for method in rule.methods or ())})


def _declared_request_headers(specs: Iterable[EndpointSpec]) -> set[str]:
    return {name for spec in specs for name in spec.extra_request_headers}


def _declared_response_headers(specs: Iterable[EndpointSpec]) -> Iterator[str]:
    common = {name for name, _ in API}
    for spec in specs:
        yield from spec.extra_response_headers
        # The security headers of some routes have further ones, such as the version of a protocol.
        yield from {name for name, _ in spec.security_headers} - common
