"""Reading requests: the only way data comes in. Every input has an answer, and none is a 500."""

import json
from math import isfinite
from typing import Any

from flask import request
from marshmallow import Schema, ValidationError
from werkzeug.datastructures import MultiDict

from project.core.errors import Malformed, UnsupportedType

MAX_DEPTH = 32
REPEATED = 'Given more than once.'


def load_json(schema: Schema) -> Any:
    """Return the JSON body as the schema understands it.

    Refuses what is not `application/json` in UTF-8 (415), and (400) what is no JSON, or has NaN, an
    infinity, NUL, a lone surrogate, a key twice, or is nested more than 32 deep.
    """
    if request.mimetype != 'application/json':
        raise UnsupportedType
    if request.mimetype_params.get('charset', 'utf-8').lower() not in ('utf-8', 'utf8'):
        raise UnsupportedType
    body = request.get_data(cache=False)
    if request.content_length is None:
        # Werkzeug cuts a chunked body at the limit without a word; to read on makes it refuse.
        request.stream.read(1)
    return schema.load(parse_json(body))


def load_query(schema: Schema) -> Any:
    """Return the query string as the schema understands it; a name given twice is refused (422)."""
    return schema.load(_single(request.args))


def is_form() -> bool:
    """Tell whether the body is a multipart form."""
    return request.mimetype == 'multipart/form-data'


def load_form(schema: Schema) -> Any:
    """Return a multipart form, its files among its fields, as the schema understands it."""
    if not is_form():
        raise UnsupportedType('Must be multipart/form-data')
    repeated = set(request.form) & set(request.files)
    if repeated:
        raise ValidationError({name: [REPEATED] for name in sorted(repeated)})
    return schema.load(_single(request.form) | _single(request.files))


def parse_json(body: bytes) -> Any:
    """Return what a JSON document says, or refuse with Malformed."""
    try:
        value = json.loads(
            body.decode('utf-8'), object_pairs_hook=_object, parse_constant=_refuse_constant
        )
        _check(value, 1)
    except UnicodeDecodeError:
        raise Malformed('Not UTF-8') from None
    except RecursionError:
        raise Malformed(f'Nested more than {MAX_DEPTH} deep') from None
    except ValueError:
        # Also what Python says to a number of more than 4,300 digits.
        raise Malformed('Not valid JSON') from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Malformed('A key is given more than once')
    return members


def _refuse_constant(name: str) -> None:
    raise Malformed(f'{name} is not a number')


def _check(value: Any, depth: int) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict | list):
        if depth > MAX_DEPTH:
            raise RecursionError
        if isinstance(value, dict):
            for key in value:
                _check_text(key)
            value = value.values()
        for member in value:
            _check(member, depth + 1)
    elif isinstance(value, float) and not isfinite(value):
        raise Malformed('A number is too large')


def _check_text(text: str) -> None:
    if '\0' in text:
        raise Malformed('NUL is not text')
    if not text.isascii() and any('\ud800' <= char <= '\udfff' for char in text):
        raise Malformed('A lone surrogate is not text')


def _single(values: MultiDict[str, Any]) -> dict[str, Any]:
    """Return each value under its name; parameter pollution is refused (ASVS 15.3.7)."""
    repeated = sorted(name for name, many in values.lists() if len(many) > 1)
    if repeated:
        raise ValidationError({name: [REPEATED] for name in repeated})
    for name, value in values.items():
        _check_text(name)
        if isinstance(value, str):
            _check_text(value)
    return dict(values.items())
