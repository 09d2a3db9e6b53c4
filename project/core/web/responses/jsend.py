"""JSend: the one shape of every answer, and the one place where errors become answers.

Who accepts `application/problem+json` gets the same error as RFC 9457 says it.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from flask import Flask, Response, current_app, g, request
from flask.json.provider import JSONProvider
from gunicorn.http.errors import ParseException
from marshmallow import ValidationError
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, InternalServerError

from project.core.database.engines import is_disk_full
from project.core.errors import ApiError, InsufficientStorage, ServiceUnavailable
from project.core.request_context import current_request_context

JSON = 'application/json'
PROBLEM = 'application/problem+json'
# marshmallow names the items of a list by their number.
ORJSON_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC | orjson.OPT_NON_STR_KEYS

FAIL_KEYS = {404: 'url', 405: 'method', 413: 'size', 415: 'content_type', 416: 'range', 429: 'rate'}


class Json(JSONProvider):
    """What Flask uses for JSON: orjson, with times in RFC 3339 and UTC as `Z`."""

    def dumps(self, obj: Any, **_: Any) -> str:
        """Return JSON as text."""
        return to_json(obj).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        """Return what JSON says."""
        return orjson.loads(s)


def to_json(value: Any) -> bytes:
    """Return JSON as bytes."""
    return orjson.dumps(value, option=ORJSON_OPTIONS)


def init_app(app: Flask) -> None:
    """Answer everything in JSend, application-wide: a blueprint is not asked about unknown URLs."""
    app.json = Json(app)
    app.register_error_handler(ApiError, handle_api_error)
    app.register_error_handler(ValidationError, handle_validation_error)
    app.register_error_handler(HTTPException, handle_http_error)
    app.register_error_handler(ServiceUnavailable, handle_unavailable)
    app.register_error_handler(ParseException, handle_parse_error)
    for lost in (OperationalError, InterfaceError, PoolTimeout):
        app.register_error_handler(lost, handle_database_unavailable)


def api_response(body: Any, http_code: int, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response."""
    return Response(to_json(body), http_code, headers, mimetype=JSON)


def api_success(data: Any = None, http_code: int = 200) -> Response:
    """Return a 'success' response: all went well."""
    return api_response({'status': 'success', 'data': data}, http_code)


def api_accepted(retry_after: int) -> Response:
    """Return a 'success' that is still to come: ask again after so many seconds."""
    response = api_success(None, 202)
    response.headers['Retry-After'] = str(retry_after)
    return response


def api_fail(
    data: Mapping[str, Any], http_code: int = 400, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a 'fail' response: the request was at fault, and `data` says where."""
    if _wants_problem():
        return _problem(http_code, 'The request was refused.', headers, errors=data)
    return api_response({'status': 'fail', 'data': data}, http_code, headers)


def api_error(
    message: str, http_code: int = 500, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an 'error' response: we were at fault."""
    if _wants_problem():
        return _problem(http_code, message, headers)
    return api_response(
        {'status': 'error', 'message': message, 'code': http_code}, http_code, headers
    )


def handle_api_error(error: ApiError) -> Response:
    """Answer a error. In tests, one that its route does not declare is a fault of ours."""
    if current_app.testing:
        _expect_declared(error)
    return api_fail(error.data, error.http_code, error.headers)


def handle_validation_error(error: ValidationError) -> Response:
    """Answer what does not fit its schema; what is wrong with all of it stands under `request`."""
    messages: dict[str, Any] = error.normalized_messages()  # type: ignore[no-untyped-call]
    if '_schema' in messages:
        messages['request'] = messages.pop('_schema')
    return api_fail(messages, 422)


def handle_unavailable(error: ServiceUnavailable) -> Response:
    """Answer that we cannot, for now."""
    current_app.logger.warning('unavailable: %s', error, exc_info=error.__cause__)
    return api_error(error.reason, error.http_code, {'Retry-After': str(error.retry_after)})


def handle_database_unavailable(error: Exception) -> Response:
    """Answer that the database does not, for now. What it said is for the log only."""
    full = is_disk_full(error)
    lost = (
        InsufficientStorage('the database is full')
        if full
        else ServiceUnavailable('the database is lost')
    )
    lost.__cause__ = error
    return handle_unavailable(lost)


def handle_parse_error(error: ParseException) -> Response:
    """Answer a body that gunicorn could not read: it says so only while we read it."""
    return api_fail({'request': ['The body cannot be read']}, 400, {'Connection': 'close'})


def handle_http_error(error: HTTPException) -> Response:
    """Answer what Flask itself raised: no such URL, wrong method, or a bug.

    A bug arrives here too, wrapped as a 500 after it was logged. Headers such as `Allow` are kept.
    """
    code = error.code or InternalServerError.code
    headers = {name: value for name, value in error.get_headers() if name != 'Content-Type'}
    if code >= 500:
        return api_error(HTTPStatus(code).phrase, code, headers)
    return api_fail({FAIL_KEYS.get(code, 'request'): [HTTPStatus(code).phrase]}, code, headers)


def _expect_declared(error: ApiError) -> None:
    spec = g.get('endpoint_spec')
    if spec is None or request.url_rule is None:
        return
    declared = {*spec.errors, *spec.implied_errors(request.url_rule, request.method)}
    if type(error) not in declared:
        raise AssertionError(f'{request.endpoint} does not declare {type(error).__name__}')


def _wants_problem() -> bool:
    # Only who names it, and not to refuse it: `*/*` means JSend.
    accepted = request.accept_mimetypes
    return any(
        quality and kind.partition(';')[0].strip().lower() == PROBLEM for kind, quality in accepted
    )


def _problem(code: int, detail: str, headers: Mapping[str, str] | None, **extra: Any) -> Response:
    body = {
        'type': 'about:blank',
        'title': HTTPStatus(code).phrase,
        'status': code,
        'detail': detail,
        'request_id': current_request_context().request_id,
        **extra,
    }
    return Response(to_json(body), code, headers, mimetype=PROBLEM)
