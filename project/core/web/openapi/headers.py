"""Headers in `openapi.json`: the declared headers of an endpoint, and the implied ones."""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from werkzeug.routing import Rule

from project.core.errors import PreconditionFailed, RangeNotSatisfiable
from project.core.web.endpoints.endpoint_spec import SAFE_METHODS, EndpointSpec
from project.core.web.responses.headers import Header

Named: TypeAlias = tuple[str, Header]


IF_MATCH = Header('The `ETag` of the version to change. 412 if it is no longer the current one.')
IF_NONE_MATCH = Header('The `ETag` of the last known version. 304 if it is still the current one.')
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
RETRY_AFTER = Header('Seconds after which to try again.', {'type': 'integer'})


def has_ranges(spec: EndpointSpec) -> bool:
    """Return whether a route supports `Range`."""
    return RangeNotSatisfiable in spec.errors


def header_parameters(rule: Rule, method: str, spec: EndpointSpec) -> list[dict[str, object]]:
    """Return the request headers that a route reads, as OpenAPI parameters."""
    headers = (*spec.extra_request_headers.items(), *_request_headers(rule, method, spec))
    return [
        {
            'name': name, 'in': 'header', 'required': header.required,
            'description': header.description, 'schema': dict(header.schema),
        }
        for name, header in headers
    ]  # fmt: skip


def response_headers(spec: EndpointSpec, code: int) -> Mapping[str, object]:
    """Return the headers of a successful response, as OpenAPI describes them.

    :param code: the status code of the success, or 202 or 206.
    """
    shown = {
        name: {'description': header.description, 'schema': dict(header.schema)}
        for name, header in _success_headers(spec, code)
    }
    return {'headers': shown} if shown else {}


def _request_headers(rule: Rule, method: str, spec: EndpointSpec) -> Iterator[Named]:
    if spec.idempotent:
        yield 'Idempotency-Key', IDEMPOTENCY_KEY
    errors = (*spec.errors, *spec.implied_errors(rule, method))
    if any(issubclass(error, PreconditionFailed) for error in errors):
        yield 'If-Match', IF_MATCH
    if method in SAFE_METHODS and (spec.versioned or has_ranges(spec)):
        yield 'If-None-Match', IF_NONE_MATCH
    if method == 'GET' and has_ranges(spec):
        yield 'Range', RANGE
        yield 'If-Range', IF_RANGE


def _success_headers(spec: EndpointSpec, code: int) -> Iterator[Named]:
    if code == 202 and spec.may_return_202:
        yield 'Retry-After', RETRY_AFTER
        return
    yield from spec.extra_response_headers.items()
    if spec.idempotent:
        yield 'Idempotency-Replayed', IDEMPOTENCY_REPLAYED
    if has_ranges(spec) or (spec.versioned and spec.returns):
        yield 'ETag', ETAG
    if has_ranges(spec):
        yield 'Accept-Ranges', ACCEPT_RANGES
    if code == 206:
        yield 'Content-Range', CONTENT_RANGE
    if spec.location:
        yield 'Location', LOCATION
    if spec.deprecated:
        yield 'Deprecation', DEPRECATION
        yield 'Sunset', SUNSET
        yield 'Link', LINKS
    elif spec.is_list:
        yield 'Link', LINK
