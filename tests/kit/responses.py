"""Checks of responses: data of a success, and the fields of a failure."""

from collections.abc import Iterable, Iterator
from typing import Any

from flask import Flask
from marshmallow import Schema
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from project.core.errors import ApiError
from project.core.web.endpoints.endpoint_spec import ENDPOINT_SPECS


def data(response: TestResponse) -> Any:
    """Return the data of a JSend `success` response; check that it has no other keys."""
    assert response.json is not None, response.status
    assert set(response.json) == {'status', 'data'}, response.json
    assert response.json['status'] == 'success', response.json
    return response.json['data']


def reasons(response: TestResponse) -> dict[str, list[str]]:
    """Return the reasons in a JSend `fail` response; check that it has no other keys.

    For tests that compare several fields. `fails_with` also checks the status.
    """
    assert response.json is not None, response.status
    assert set(response.json) == {'status', 'data'}, response.json
    assert response.json['status'] == 'fail', response.json
    return response.json['data']


def fails_with(
    response: TestResponse, *fields: str, status: int = 422, reason: str | None = None
) -> None:
    """Check that a response is a failure for exactly these fields.

    `fails_with(response, 'text')` checks the status (422), the form of the body (JSend `fail`) and
    the fields with a reason.

    :param status: the HTTP status.
    :param reason: the only reason of each field; by default any reasons.
    :raises AssertionError: if the response differs; the message contains its body.
    :raises ValueError: if the route and the errors of the service have no such field.
    """
    __tracebackhide__ = True
    if not fields:
        raise ValueError("name a field: fails_with(response, 'name')")
    fault = _fault_of(response, set(fields), status, reason)
    if fault is None:
        return
    if unknown := _unknown_fields(response, fields):
        raise ValueError(unknown)
    request = response.request
    raise AssertionError(
        f'{request.method} {request.path}: {fault}\n{response.status}\n{response.text}'
    )


def _fault_of(
    response: TestResponse, fields: set[str], status: int, reason: str | None
) -> str | None:
    """Return the difference of a response from the expected failure, or None."""
    if response.status_code != status:
        return f'the status is {response.status_code} instead of {status}'
    body = response.json
    if not isinstance(body, dict) or set(body) != {'status', 'data'} or body['status'] != 'fail':
        return 'the body has not the form {"status": "fail", "data": {…}}'
    reasons = body['data']
    if not isinstance(reasons, dict) or set(reasons) != fields:
        found = ', '.join(sorted(reasons or ())) or 'none'
        return f'the fields are {found} instead of {", ".join(sorted(fields))}'
    if reason is not None and any(found != [reason] for found in reasons.values()):
        return f'the reason is not {reason!r}'
    return None


def _unknown_fields(response: TestResponse, fields: Iterable[str]) -> str | None:
    """Return a message about fields that no response of this route can have, or None."""
    app: Flask | None = getattr(response, 'application', None)
    if app is None or not ENDPOINT_SPECS.is_set(app):
        return None
    request = response.request
    try:
        rule, _ = app.url_map.bind('').match(request.path, request.method, return_rule=True)
    except HTTPException:
        return None
    spec = ENDPOINT_SPECS.of(app).get((rule.endpoint, request.method))
    schemas = [spec.body, spec.form, spec.query] if spec else []
    own = {name for schema in schemas if schema for name in _fields_of(schema)} | rule.arguments
    unknown = sorted(set(fields) - own - set(_error_fields(ApiError)))
    if not unknown:
        return None
    known = ', '.join(sorted(own)) or 'none'
    return (
        f'unknown field {", ".join(map(repr, unknown))}: no error of the service has it, and the '
        f'fields of {request.method} {rule.rule} are: {known}'
    )


def _fields_of(schema: type[Schema]) -> Iterator[str]:
    for name, field in schema().load_fields.items():
        yield field.data_key or name


def _error_fields(error: type[ApiError]) -> Iterator[str]:
    yield error.field
    for subclass in error.__subclasses__():
        yield from _error_fields(subclass)
