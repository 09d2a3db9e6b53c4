"""JSend: the form of every response body.

A client that accepts `application/problem+json` gets errors in the form of RFC 9457 instead.
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
# marshmallow names the items of a list by their number.
ORJSON_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC | orjson.OPT_NON_STR_KEYS


class Json(JSONProvider):
    """What Flask uses for JSON: orjson, with times in RFC 3339 and UTC as `Z`."""

    def dumps(self, obj: Any, **_: Any) -> str:
        """Return JSON as text."""
        return to_json(obj).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        """Return what JSON says."""
        return orjson.loads(s)


def to_json(value: Any) -> bytes:
    """Return JSON as bytes.

    :raises TypeError: if the value contains a type without a form in JSON.
    """
    return orjson.dumps(value, default=encode, option=ORJSON_OPTIONS)


def init_app(app: Flask) -> None:
    """Let Flask read and write JSON with orjson."""
    app.json = Json(app)


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
