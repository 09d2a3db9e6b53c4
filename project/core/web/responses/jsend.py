"""JSend, the format of all JSON responses.

Clients that send `Accept: application/problem+json` get errors in the format of RFC 9457.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from flask import Flask, Response, request
from flask.json.provider import JSONProvider

from project.core.request_context import current_request_context
from project.core.value_codec import encode

JSON = 'application/json'
PROBLEM = 'application/problem+json'
# NON_STR_KEYS is needed because marshmallow uses list indexes as keys of error messages.
ORJSON_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC | orjson.OPT_NON_STR_KEYS


class Json(JSONProvider):
    """Flask's JSON provider with orjson: times in RFC 3339, UTC as `Z`."""

    def dumps(self, obj: Any, **_: Any) -> str:
        """Return JSON as text."""
        return to_json(obj).decode()

    def loads(self, s: str | bytes, **_: Any) -> object:
        """Return the value of a JSON document."""
        return orjson.loads(s)


def to_json(value: Any) -> bytes:
    """Return a value as JSON in bytes.

    :raises TypeError: if the type of a value is not supported.
    """
    return orjson.dumps(value, default=encode, option=ORJSON_OPTIONS)


def init_app(app: Flask) -> None:
    """Make Flask use orjson for JSON."""
    app.json = Json(app)


def api_response(body: Any, http_code: int, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response."""
    return Response(to_json(body), http_code, headers, mimetype=JSON)


def api_success(data: Any = None, http_code: int = 200) -> Response:
    """Return a JSend response with the status `success`."""
    return api_response({'status': 'success', 'data': data}, http_code)


def api_accepted(retry_after: int) -> Response:
    """Return 202 for a result that is not ready yet.

    :param retry_after: seconds after which the client should try again.
    """
    response = api_success(None, 202)
    response.headers['Retry-After'] = str(retry_after)
    return response


def api_fail(
    data: Mapping[str, Any], http_code: int = 400, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a JSend response with the status `fail`: the client has caused the error.

    :param data: the reasons by key, usually the name of a field.
    """
    if _wants_problem():
        return _problem(http_code, 'The request was rejected.', headers, errors=data)
    return api_response({'status': 'fail', 'data': data}, http_code, headers)


def api_error(
    message: str, http_code: int = 500, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a JSend response with the status `error`: the service has caused the error."""
    if _wants_problem():
        return _problem(http_code, message, headers)
    return api_response(
        {'status': 'error', 'message': message, 'code': http_code}, http_code, headers
    )


def _wants_problem() -> bool:
    """Return whether `Accept` prefers `application/problem+json` (RFC 9110, section 12.5.1).

    If both formats have the same quality, the client gets `application/problem+json` if it names
    it; otherwise, for example for `*/*`, it gets JSend.
    """
    ranges: dict[str, float] = {}
    for value, quality in request.accept_mimetypes:
        kind = value.partition(';')[0].strip().lower()
        ranges[kind] = max(quality, ranges.get(kind, 0))
    problem, json = (
        # The most specific range decides.
        next((ranges[kind] for kind in (name, 'application/*', '*/*') if kind in ranges), 0)
        for name in (PROBLEM, JSON)
    )
    return problem > json or (problem == json > 0 and PROBLEM in ranges)


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
