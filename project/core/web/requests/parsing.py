"""Reading requests: the only way data comes in. Every input has an answer, and none is a 500."""

import json
import os
from contextlib import ExitStack
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

from flask import request
from marshmallow import Schema, ValidationError
from werkzeug.datastructures import FileStorage, ImmutableMultiDict, MultiDict
from werkzeug.formparser import MultiPartParser
from werkzeug.sansio.multipart import File

from project.core.errors import BadRequest, UnsupportedMediaType
from project.core.storage import translate_os_errors

from .fields import UploadedFile

READ_CHUNK_BYTES = 64 * 1024
MAX_DEPTH = 32
REPEATED_MESSAGE = 'Given more than once.'
# Key in the WSGI environ: a function of the server that starts the time limit of a body.
START_BODY_TIMEOUT = 'project.start_body_timeout'
# Key in the WSGI environ: a function of the server that counts a streamed body under a user id. It
# raises TooManyRequests if the user has too many in flight (`BODIES_PER_CLIENT`).
CLAIM_BODY = 'project.claim_body'


def receive_json() -> None:
    """Receive the whole body of a JSON request, for `load_json`.

    The time limit of the body (`BODY_TIMEOUT`) starts here, if the server has one.

    :raises RequestTimeout: if the body is not complete within the time limit.
    :raises RequestEntityTooLarge: if the body is longer than `MAX_CONTENT_LENGTH`.
    """
    if request.mimetype != 'application/json':
        return
    if start_body_timeout := request.environ.get(START_BODY_TIMEOUT):
        start_body_timeout()
    request.get_data()
    if request.content_length is None:
        # Werkzeug cuts a chunked body off at the limit; only reading on raises.
        request.stream.read(1)


def load_json(schema: Schema) -> Any:
    """Return the JSON body as the schema understands it.

    Refuses what is not `application/json` in UTF-8 (415), and (400) what is no JSON, or has NaN, an
    infinity, NUL, a lone surrogate, a key twice, or is nested more than 32 deep.
    """
    if request.mimetype != 'application/json':
        raise UnsupportedMediaType
    if request.mimetype_params.get('charset', 'utf-8').lower() not in ('utf-8', 'utf8'):
        raise UnsupportedMediaType
    return schema.load(parse_json(request.get_data()))


def load_query(schema: Schema) -> Any:
    """Return the query string as the schema understands it; a name given twice is refused (422)."""
    return schema.load(_single(request.args))


def is_form() -> bool:
    """Tell whether the body is a multipart form."""
    return request.mimetype == 'multipart/form-data'


def load_form(schema: Schema) -> Any:
    """Return a multipart form, its files among its fields, as the schema understands it.

    Files are written to the targets of their fields as they arrive; other files are not kept.

    :raises UnsupportedMediaType: if the body is not a multipart form.
    :raises BadRequest: if the form is malformed.
    :raises InsufficientStorage: if the disk is full; ServiceUnavailable if it fails.
    """
    if not is_form():
        raise UnsupportedMediaType('Must be multipart/form-data')
    form, files = _FormParser(schema).read()
    repeated = set(form) & set(files)
    if repeated:
        raise ValidationError({name: [REPEATED_MESSAGE] for name in sorted(repeated)})
    return schema.load(_single(form) | _single(files))


class _FormParser(MultiPartParser):
    """Werkzeug's, but that files go to where the schema wants them, and nowhere else."""

    def __init__(self, schema: Schema) -> None:
        most = request.max_form_memory_size
        # Half of it: the parser refuses a block that, with what it holds back because a boundary
        # may begin there, is more than what memory may have. In a file that is but chance.
        block = min(READ_CHUNK_BYTES, most // 2) if most else READ_CHUNK_BYTES
        super().__init__(
            max_form_memory_size=most, max_form_parts=request.max_form_parts, buffer_size=block
        )
        self.schema = schema
        self.seen: set[str | None] = set()
        self.targets = ExitStack()

    def read(self) -> tuple[MultiDict[str, str], MultiDict[str, FileStorage]]:
        """Return the request's fields and files; the files are closed with the request."""
        with self.targets:
            try:
                boundary = request.mimetype_params.get('boundary', '').encode('ascii')
                with translate_os_errors():
                    form, files = self.parse(request.stream, boundary, request.content_length)
            except ValueError as error:
                raise BadRequest('Not a multipart form') from error
            if None in form or None in files:
                raise BadRequest('A part of the form has no name')
            request.files = ImmutableMultiDict(files)
            self.targets.pop_all()
        return form, files

    def start_file_streaming(self, event: File, total_content_length: int | None) -> Any:
        """Open what a file is written to: once each, and only for a field that takes files."""
        field = self.schema.fields.get(event.name)
        if not isinstance(field, UploadedFile) or event.name in self.seen:
            return self.targets.enter_context(Path(os.devnull).open('r+b'))
        self.seen.add(event.name)
        default = super().start_file_streaming
        sink = (field.stream_factory or partial(default, event))(total_content_length)
        self.targets.callback(sink.close)
        return sink


def parse_json(body: bytes) -> Any:
    """Return what a JSON document says, or refuse with BadRequest."""
    try:
        value = json.loads(
            body.decode('utf-8'), object_pairs_hook=_object, parse_constant=_reject_constant
        )
        _check(value, 1)
    except UnicodeDecodeError:
        raise BadRequest('Not UTF-8') from None
    except RecursionError:
        raise BadRequest(f'Nested more than {MAX_DEPTH} deep') from None
    except ValueError:
        # Also what Python says to a number of more than 4,300 digits.
        raise BadRequest('Not valid JSON') from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise BadRequest('A key is given more than once')
    return members


def _reject_constant(name: str) -> None:
    raise BadRequest(f'{name} is not a number')


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
        raise BadRequest('A number is too large')


def _check_text(text: str) -> None:
    if '\0' in text:
        raise BadRequest('NUL is not text')
    if not text.isascii() and any('\ud800' <= char <= '\udfff' for char in text):
        raise BadRequest('A lone surrogate is not text')


def _single(values: MultiDict[str, Any]) -> dict[str, Any]:
    """Return each value under its name; parameter pollution is refused (ASVS 15.3.7)."""
    repeated = sorted(name for name, many in values.lists() if len(many) > 1)
    if repeated:
        raise ValidationError({name: [REPEATED_MESSAGE] for name in repeated})
    for name, value in values.items():
        _check_text(name)
        if isinstance(value, str):
            _check_text(value)
    return dict(values.items())
