"""Responses of an operation: successes, and fail responses with their keys and headers."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

from apispec import APISpec
from werkzeug.routing import Rule

from project.core.errors import (
    ApiError,
    BadRequest,
    ContentTooLarge,
    NotFound,
    PreconditionFailed,
    RequestTimeout,
    TooManyRequests,
    Unauthorized,
    UnprocessableContent,
)
from project.core.web.endpoints.endpoint_spec import EndpointSpec
from project.core.web.responses.conditional_requests import SAFE_METHODS

from .bodies import BINARY_SCHEMA, binary_content
from .envelopes import SCHEMA_PREFIX, Envelopes
from .headers import error_headers, header_references, response_headers

# The keys of errors that no class represents: those of the server, and of Flask's routing.
KEYS_WITHOUT_CLASS = {405: ('method', 'Method Not Allowed'), 414: ('request', 'URI Too Long')}

# These responses are the same in all operations that have no other key for the same status.
COMMON_ERRORS = (
    BadRequest, Unauthorized, NotFound, RequestTimeout, PreconditionFailed,
    ContentTooLarge, TooManyRequests,
)  # fmt: skip
SERVICE_FAULTS = {
    500: 'An unexpected fault, which is in the log of the service.',
    503: 'The service, or a part that the request needs, is temporarily unavailable.',
    507: 'There is not enough disk space for the content of the request.',
}
NOT_READY = 'Not ready yet: try again after `Retry-After` seconds.'

Reasons = Mapping[str, list[str]]


def add_common_responses(api_spec: APISpec) -> None:
    """Add the error responses that many operations share."""
    for code, reasons in _common_reasons().items():
        api_spec.components.response(_phrase(code), _fail_response(code, reasons))
    for code, text in SERVICE_FAULTS.items():
        content = _error_content('Error')
        headers = header_references(error_headers(code))
        api_spec.components.response(
            _phrase(code), {'description': text, 'content': content, 'headers': headers}
        )


def responses_of(
    rule: Rule, method: str, spec: EndpointSpec, envelopes: Envelopes
) -> dict[str, Any]:
    """Return the responses of an operation by status code."""
    found = dict(_successes(method, spec, envelopes))
    for code, reasons in _reasons_by_code(rule, method, spec).items():
        found[str(code)] = _shared(code, reasons, spec) or _fail_response(code, reasons, spec)
    for code in (*((507,) if spec.max_body_setting else ()), 500, 503):
        found[str(code)] = {'$ref': f'#/components/responses/{_phrase(code)}'}
    return found


def _successes(
    method: str, spec: EndpointSpec, envelopes: Envelopes
) -> Iterator[tuple[str, dict[str, Any]]]:
    success: dict[str, Any] = _success(spec, envelopes)
    if method == 'HEAD' or spec.code == 204 or spec.produces == '':
        success = {'description': 'Headers without a body.'}
    yield str(spec.code), {**success, 'headers': response_headers(spec, method, spec.code)}
    if spec.may_create:
        created = {**success, 'description': 'Created.'}
        yield '201', {**created, 'headers': response_headers(spec, method, 201)}
    if method in SAFE_METHODS and spec.has_etag:
        text = 'The version that `If-None-Match` names is still the current one.'
        yield '304', {'description': text, 'headers': response_headers(spec, method, 304)}
    if spec.has_ranges and method == 'GET':
        content = {**success['content'], 'multipart/byteranges': {'schema': BINARY_SCHEMA}}
        part = {'description': 'One or several ranges of the content.', 'content': content}
        yield '206', {**part, 'headers': response_headers(spec, method, 206)}
    if spec.may_return_202:
        made = {'description': NOT_READY, 'headers': response_headers(spec, method, 202)}
        if method != 'HEAD':
            made['content'] = {'application/json': {'schema': envelopes.empty()}}
        yield '202', made


def _success(spec: EndpointSpec, envelopes: Envelopes) -> dict[str, Any]:
    if spec.produces == 'application/json':
        content = {spec.produces: {'schema': {'type': 'object', 'additionalProperties': True}}}
        return {'description': 'The content.', 'content': content}
    if spec.produces:
        return {'description': 'The content.', 'content': binary_content(spec.produces)}
    schema = envelopes.reference(spec)
    return {'description': 'Success.', 'content': {'application/json': {'schema': schema}}}


def _reasons_by_code(rule: Rule, method: str, spec: EndpointSpec) -> dict[int, Reasons]:
    """Return the possible keys of each fail response of an operation, and their reasons."""
    by_code: dict[int, list[type[ApiError]]] = defaultdict(list)
    for error in (*spec.implied_errors(rule, method), *spec.errors):
        by_code[error.http_code].append(error)
    found = {code: _reasons(errors) for code, errors in by_code.items()}
    # The same path may match another URL rule with fewer methods, which then returns 405. The
    # server returns 414 if the request line is longer than 8,190 bytes.
    for code, may_occur in ((405, rule.arguments), (414, rule.arguments or spec.query)):
        if may_occur:
            key, reason = KEYS_WITHOUT_CLASS[code]
            found[code] = {key: [reason]}
    return dict(sorted(found.items()))


def _reasons(errors: Iterable[type[ApiError]]) -> dict[str, list[str]]:
    """Return the reasons of error classes by key."""
    found: dict[str, list[str]] = {}
    for error in errors:
        for key, reasons in error().data.items():
            known = found.setdefault(key, [])
            known += [reason for reason in reasons if reason not in known]
    return found


def _shared(code: int, reasons: Reasons, spec: EndpointSpec) -> dict[str, str] | None:
    """Return a reference to the common response, if the operation has no other key."""
    if _common_reasons().get(code) != reasons or (code == TooManyRequests.http_code and spec.limit):
        return None
    return {'$ref': f'#/components/responses/{_phrase(code)}'}


@cache
def _common_reasons() -> Mapping[int, Reasons]:
    """Return the keys and reasons of the common responses, by status code."""
    without_class = {code: {key: [text]} for code, (key, text) in KEYS_WITHOUT_CLASS.items()}
    return {**without_class, **{error.http_code: _reasons([error]) for error in COMMON_ERRORS}}


def _fail_response(code: int, reasons: Reasons, spec: EndpointSpec | None = None) -> dict[str, Any]:
    """Return the response for a fault of the request.

    OpenAPI has no place for the keys, so they are in the description and in `x-keys`.
    """
    keys, lines = list(reasons), [f'- `{key}`: {"; ".join(reasons[key])}.' for key in reasons]
    if code == UnprocessableContent.http_code and spec and (fields := _input_fields(spec)):
        keys = sorted({*keys, *fields})
        lines.insert(0, '- the name of each invalid field.')
    return {
        'description': '\n'.join([f'{_title(code)}. Keys of `data`:', '', *lines]),
        'content': _error_content('Fail'),
        'headers': header_references(error_headers(code, spec)),
        'x-keys': keys,
    }


def _input_fields(spec: EndpointSpec) -> set[str]:
    schemas = [schema for schema in (spec.body, spec.form, spec.query) if schema]
    names = {
        field.data_key or name
        for schema in schemas
        for name, field in schema._declared_fields.items()
    }
    return names and {*names, ApiError.field}


def _error_content(name: str) -> dict[str, Any]:
    return {
        'application/json': {'schema': {'$ref': f'{SCHEMA_PREFIX}{name}'}},
        'application/problem+json': {'schema': {'$ref': f'{SCHEMA_PREFIX}Problem'}},
    }


def _title(code: int) -> str:
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        # A status of tus.
        return 'The request is at fault'


def _phrase(code: int) -> str:
    return ''.join(word.capitalize() for word in HTTPStatus(code).phrase.replace('-', ' ').split())
