"""Headers in `openapi.json`: what a route declares, and what follows from its declaration."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from werkzeug.routing import Rule

from project.core.errors import PreconditionFailed, RangeNotSatisfiable
from project.core.web.endpoints.endpoint_spec import SAFE_METHODS, EndpointSpec
from project.core.web.responses.headers import Header

Named: TypeAlias = tuple[str, Header]


IF_MATCH = Header('The version that may be changed, as its `ETag` was.')
IF_NONE_MATCH = Header('What the client has, as its `ETag` was: 304 if that is the newest.')
RANGE = Header('`bytes=0-499`, or several such. Ranges that cost more than all of it are ignored.')
IF_RANGE = Header('The `ETag` of what the client has a part of: of anything else, all is sent.')

ETAG = Header('Tells this version from all others.')
ACCEPT_RANGES = Header('`bytes`: ranges may be asked for.')
CONTENT_RANGE = Header('Which part this is, of how many bytes.')
LOCATION = Header('Where it is.', {'type': 'string', 'format': 'uri-reference'})
LINK = Header('The next page, with `rel="next"`; none on the last.')
RETRY_AFTER = Header('Seconds.', {'type': 'integer'})


def has_ranges(spec: EndpointSpec) -> bool:
    """Tell whether a route answers with bytes of which ranges may be asked for."""
    return RangeNotSatisfiable in spec.errors


def header_parameters(rule: Rule, method: str, spec: EndpointSpec) -> list[dict[str, Any]]:
    """Return the headers that a route reads, as parameters."""
    headers = (*spec.extra_request_headers.items(), *_request_headers(rule, method, spec))
    return [
        {
            'name': name, 'in': 'header', 'required': header.required,
            'description': header.description, 'schema': dict(header.schema),
        }
        for name, header in headers
    ]  # fmt: skip


def response_headers(spec: EndpointSpec, code: int) -> Mapping[str, Any]:
    """Return the headers of a route's success, or of a code beside it, as a part of a response."""
    shown = {
        name: {'description': header.description, 'schema': dict(header.schema)}
        for name, header in _success_headers(spec, code)
    }
    return {'headers': shown} if shown else {}


def _request_headers(rule: Rule, method: str, spec: EndpointSpec) -> Iterator[Named]:
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
    if has_ranges(spec) or (spec.versioned and spec.returns):
        yield 'ETag', ETAG
    if has_ranges(spec):
        yield 'Accept-Ranges', ACCEPT_RANGES
    if code == 206:
        yield 'Content-Range', CONTENT_RANGE
    if spec.location:
        yield 'Location', LOCATION
    if spec.is_list:
        yield 'Link', LINK
