"""Error handlers, which convert all exceptions to responses."""

from http import HTTPStatus
from typing import Any

from flask import Flask, Response, current_app, g, request
from gunicorn.http.errors import ParseException
from marshmallow import ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from project.core.database.failures import FULL, failure_of
from project.core.errors import (
    ApiError,
    ContentEncodingUnsupported,
    InsufficientStorage,
    ServiceUnavailable,
    UnsupportedMediaType,
)

from .jsend import api_error, api_fail

FAIL_KEYS = {404: 'url', 405: 'method', 413: 'size', 415: 'content_type', 416: 'range', 429: 'rate'}


def init_app(app: Flask) -> None:
    """Register the handlers for all requests, including requests to unknown URLs."""
    app.register_error_handler(ApiError, handle_api_error)
    app.register_error_handler(ValidationError, handle_validation_error)
    app.register_error_handler(HTTPException, handle_http_error)
    app.register_error_handler(ServiceUnavailable, handle_unavailable)
    app.register_error_handler(ParseException, handle_parse_error)
    for kind in (DBAPIError, PoolTimeout, MemoryError):
        app.register_error_handler(kind, handle_temporary_failure)


def handle_api_error(error: ApiError) -> Response:
    """Return the response for an ApiError.

    In tests, an error that the endpoint does not declare fails the test.
    """
    if current_app.testing:
        _expect_declared(error)
    return api_fail(error.data, error.http_code, {**error.headers, **_accepted_types(error)})


def handle_validation_error(error: ValidationError) -> Response:
    """Return 422 for input that does not fit its schema.

    In the response, errors that concern the whole input have the key `request`.
    """
    messages: dict[str, Any] = error.normalized_messages()  # type: ignore[no-untyped-call]
    if '_schema' in messages:
        messages['request'] = messages.pop('_schema')
    return api_fail(messages, 422)


def handle_unavailable(error: ServiceUnavailable) -> Response:
    """Return 503 or 507, and log the reason."""
    current_app.logger.warning('unavailable: %s', error, exc_info=error.__cause__)
    return api_error(error.reason, error.http_code, {'Retry-After': str(error.retry_after)})


def handle_temporary_failure(error: Exception) -> Response:
    """Return 503 or 507 for a temporary failure of the database, and log it.

    :raises Exception: `error` itself, if it is not a temporary failure. Flask then returns 500.
    """
    failure = failure_of(error)
    if failure is None:
        raise error
    kind = InsufficientStorage if failure is FULL else ServiceUnavailable
    unavailable = kind(failure.detail, retry_after=failure.retry_after)
    unavailable.__cause__ = error
    return handle_unavailable(unavailable)


def handle_parse_error(error: ParseException) -> Response:
    """Return 400 for a body that gunicorn cannot parse while the application reads it."""
    return api_fail({'request': ['The body cannot be read']}, 400, {'Connection': 'close'})


def handle_http_error(error: HTTPException) -> Response:
    """Return the response for an exception of Werkzeug, such as NotFound for an unknown URL.

    Flask also passes unhandled exceptions to this handler, as InternalServerError, after it has
    logged them. Headers such as `Allow` are kept.
    """
    code = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    headers = {name: value for name, value in error.get_headers() if name != 'Content-Type'}
    if code >= 500:
        return api_error(HTTPStatus(code).phrase, code, headers)
    return api_fail({FAIL_KEYS.get(code, 'request'): [HTTPStatus(code).phrase]}, code, headers)


def _accepted_types(error: ApiError) -> dict[str, str]:
    """Return the headers of a response 415 that name the accepted media types.

    They are `Accept` (RFC 9110, section 15.5.16), and `Accept-Patch` for PATCH (RFC 5789, section
    2.2).
    """
    spec = g.get('endpoint_spec')
    if spec is None or not isinstance(error, UnsupportedMediaType):
        return {}
    if isinstance(error, ContentEncodingUnsupported):
        return {}
    accepted = error.accepted or ', '.join(spec.accepted_types)
    names = ['Accept', 'Accept-Patch'] if request.method == 'PATCH' else ['Accept']
    return dict.fromkeys(names, accepted)


def _expect_declared(error: ApiError) -> None:
    spec = g.get('endpoint_spec')
    if spec is None or request.url_rule is None:
        return
    declared = {*spec.errors, *spec.implied_errors(request.url_rule, request.method)}
    if type(error) not in declared:
        raise AssertionError(f'{request.endpoint} does not declare {type(error).__name__}')
