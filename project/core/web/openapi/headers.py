"""Headers in `openapi.json`: the declared headers of an endpoint, and the implied ones."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from apispec import APISpec
from werkzeug.routing import Rule

from project.core.errors import TooManyRequests
from project.core.web.endpoints.endpoint_spec import EndpointSpec
from project.core.web.endpoints.idempotency import NOT_KEPT
from project.core.web.responses.conditional_requests import SAFE_METHODS
from project.core.web.responses.headers import Header

Named: TypeAlias = tuple[str, Header]


IF_MATCH = Header('The `ETag` of the known version. 412 if it is no longer the current one.')
IF_NONE_MATCH = Header('The `ETag` of the last known version. 304 if it is still the current one.')
IF_NONE_MATCH_TO_WRITE = Header('`*`, or an `ETag`. 412 if the object exists, or has this `ETag`.')
IF_MODIFIED_SINCE = Header('An HTTP date. 304 if the content was not modified since.')
IF_UNMODIFIED_SINCE = Header('An HTTP date. 412 if the content was modified since.')
RANGE = Header(
    '`bytes=0-499`, or several ranges. Several ranges are ignored if a response with them would '
    'not be smaller than the whole content.'
)
IF_RANGE = Header(
    'The `ETag` of the version of which the client has a part. `Range` is ignored if the content '
    'has changed.'
)
IDEMPOTENCY_KEY = Header(
    'A value that the client chooses for this request, such as a UUID. If the client repeats the '
    'request with the same value within 24 hours, it gets the first response, and the request has '
    'no second effect.',
    {'type': 'string', 'minLength': 1, 'maxLength': 255, 'pattern': '^[!-~]+$'},
)

IDEMPOTENCY_REPLAYED = Header(
    '`true`: this is the response of an earlier request with the same `Idempotency-Key`.',
    {'type': 'string', 'const': 'true'},
)
ETAG = Header('Identifies this version.')
ACCEPT_RANGES = Header('`bytes`: the route supports ranges.')
CONTENT_RANGE = Header('The position of this range, and the size of the whole content in bytes.')
LOCATION = Header('The URL of the created object.', {'type': 'string', 'format': 'uri-reference'})
LINK = Header('The URL of the next page, with `rel="next"`. Missing on the last page.')
LINKS = Header(
    'URLs with their relation: `rel="next"`, the next page; `rel="successor-version"`, the '
    'successor of this deprecated route; `rel="deprecation"`, its documentation.'
)
DEPRECATION = Header('The time since which the route is deprecated: `@` and seconds (RFC 9745).')
SUNSET = Header('The time from which the route may be removed, as an HTTP date (RFC 8594).')

# Headers with the same meaning in all responses. They are defined once, in `components`.
COMMON_HEADERS = {
    'X-Request-ID': Header('The id of the request in the log of the service.'),
    'Retry-After': Header('Seconds after which to try again.', {'type': 'integer', 'minimum': 0}),
    'WWW-Authenticate': Header('How to log in: `Bearer` (RFC 6750).'),
    'Allow': Header('The methods of this URL, comma-separated.'),
    'RateLimit': Header('The requests that are left (`r`), and for how many seconds (`t`).'),
    'RateLimit-Policy': Header('The number of requests (`q`) in a period of seconds (`w`).'),
    'Content-Range': CONTENT_RANGE,
    'Idempotency-Replayed': IDEMPOTENCY_REPLAYED,
}
HEADERS_OF_STATUS = {
    401: ('WWW-Authenticate',), 405: ('Allow',), 416: ('Content-Range',), 429: ('Retry-After',),
    503: ('Retry-After',), 507: ('Retry-After',),
}  # fmt: skip
RATE_LIMIT_HEADERS = ('RateLimit', 'RateLimit-Policy')


def header_parameters(rule: Rule, method: str, spec: EndpointSpec) -> list[dict[str, object]]:
    """Return the request headers that a route reads, as OpenAPI parameters."""
    headers = (*spec.extra_request_headers.items(), *_request_headers(method, spec))
    return [
        {
            'name': name, 'in': 'header', 'required': header.required,
            'description': header.description, 'schema': dict(header.schema),
        }
        for name, header in headers
    ]  # fmt: skip


def add_common_headers(api_spec: APISpec) -> None:
    """Add the headers to which responses refer."""
    for name, header in COMMON_HEADERS.items():
        api_spec.components.header(name, _shown(header))


def header_references(names: Iterable[str]) -> dict[str, Any]:
    """Return references to common headers, by name."""
    return {name: {'$ref': f'#/components/headers/{name}'} for name in names}


def error_headers(code: int, spec: EndpointSpec | None = None) -> Iterator[str]:
    """Yield the names of the headers of an error response.

    :param spec: the declaration of the endpoint; None for a response of several endpoints.
    """
    yield from HEADERS_OF_STATUS.get(code, ())
    if spec and spec.limit and code == TooManyRequests.http_code:
        yield from RATE_LIMIT_HEADERS
    if spec and spec.idempotent and code not in NOT_KEPT:
        yield 'Idempotency-Replayed'
    yield 'X-Request-ID'


def response_headers(spec: EndpointSpec, method: str, code: int) -> dict[str, Any]:
    """Return the headers of a successful response, as OpenAPI describes them.

    :param code: the status code of the success, or 201, 202, 206 or 304.
    """
    limited = RATE_LIMIT_HEADERS if spec.limit else ()
    retry = ('Retry-After',) if code == 202 and spec.may_return_202 else ()
    own = {name: _shown(header) for name, header in _success_headers(spec, method, code)}
    return own | header_references((*retry, *limited, 'X-Request-ID'))


def _shown(header: Header) -> dict[str, Any]:
    return {'description': header.description, 'schema': dict(header.schema)}


def _request_headers(method: str, spec: EndpointSpec) -> Iterator[Named]:
    if spec.idempotent:
        yield 'Idempotency-Key', IDEMPOTENCY_KEY
    is_read = method in SAFE_METHODS
    if spec.compares_etag or (is_read and spec.has_etag):
        yield 'If-Match', IF_MATCH
        yield 'If-None-Match', IF_NONE_MATCH if is_read else IF_NONE_MATCH_TO_WRITE
    if is_read and 'Last-Modified' in spec.extra_response_headers:
        yield 'If-Modified-Since', IF_MODIFIED_SINCE
        yield 'If-Unmodified-Since', IF_UNMODIFIED_SINCE
    if method == 'GET' and spec.has_ranges:
        yield 'Range', RANGE
        yield 'If-Range', IF_RANGE


def _success_headers(spec: EndpointSpec, method: str, code: int) -> Iterator[Named]:
    if code == 202 and spec.may_return_202:
        return
    if code == 304:
        yield 'ETag', ETAG
        return
    yield from spec.extra_response_headers.items()
    if spec.idempotent:
        yield 'Idempotency-Replayed', IDEMPOTENCY_REPLAYED
    is_read = method in SAFE_METHODS
    if (is_read and spec.has_etag) or (spec.versioned and spec.returns):
        yield 'ETag', ETAG
    if spec.has_ranges:
        yield 'Accept-Ranges', ACCEPT_RANGES
    if code == 206:
        yield 'Content-Range', CONTENT_RANGE
    if spec.location or (spec.may_create and code == 201):
        yield 'Location', LOCATION
    if spec.deprecated:
        yield 'Deprecation', DEPRECATION
        yield 'Sunset', SUNSET
        yield 'Link', LINKS
    elif spec.is_list:
        yield 'Link', LINK
