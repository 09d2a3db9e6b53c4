"""Parsing of JSON bodies, forms and query strings. Invalid input never causes a 500."""

import json
import os
import re
from contextlib import ExitStack
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any, cast

from flask import request
from marshmallow import Schema, ValidationError
from werkzeug.datastructures import FileStorage, Headers, ImmutableMultiDict, MultiDict
from werkzeug.formparser import MultiPartParser
from werkzeug.sansio.multipart import File

from project.core.errors import BadRequest, ContentTooLarge, UnsupportedMediaType
from project.core.storage import translate_os_errors

from .client_text import CLIENT_TEXT, ensure_valid_text
from .fields import UploadedFile

READ_CHUNK_BYTES = 64 * 1024
MAX_DEPTH = 32
# Values of a JSON document, containers included. In memory a value takes up to 100 bytes, so a body
# of 1 MiB could take 35 MB.
MAX_VALUES = 10_000
STRING_PATTERN = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
EMPTY_PATTERN = re.compile(rb'\[\s*\]|\{\s*\}')
REPEATED_MESSAGE = 'Given more than once.'
# Keys of the WSGI environ with functions of the server: this one starts the time limit of a body,
START_BODY_TIMEOUT = 'project.start_body_timeout'
# and this one counts a streamed body under a user id. It raises TooManyRequests if the user sends
# too many bodies at the same time (`BODIES_PER_CLIENT`).
CLAIM_BODY = 'project.claim_body'


def receive_json() -> None:
    """Receive the whole body of a JSON request, so that `load_json` need not wait for it.

    The time limit of the body (`BODY_TIMEOUT`) starts here, if the server supports it.

    :raises RequestTimeout: if the body is not complete within the time limit.
    :raises RequestEntityTooLarge: if the body is longer than `MAX_CONTENT_LENGTH`.
    """
    if request.mimetype != 'application/json':
        return
    if start_body_timeout := request.environ.get(START_BODY_TIMEOUT):
        start_body_timeout()
    request.get_data()
    if request.content_length is None:
        # Werkzeug truncates a chunked body at the limit, and only raises at the next read.
        request.stream.read(1)


def load_json(schema: Schema) -> dict[str, object]:
    """Return the JSON body, loaded by a schema.

    :raises UnsupportedMediaType: if the body is not `application/json` in UTF-8.
    :raises BadRequest: if it is not valid JSON, is nested more than 32 levels deep, or contains
        NaN, Infinity, NUL, a lone surrogate or a repeated key.
    :raises ContentTooLarge: if it has more than 10,000 values.
    """
    if request.mimetype != 'application/json':
        raise UnsupportedMediaType
    if request.mimetype_params.get('charset', 'utf-8').lower() not in ('utf-8', 'utf8'):
        raise UnsupportedMediaType
    return cast(dict[str, object], schema.load(parse_json(request.get_data())))


def load_query(schema: Schema) -> dict[str, object]:
    """Return the query string, loaded by a schema. Repeated names return 422."""
    return cast(dict[str, object], schema.load(_single(request.args)))


def is_form() -> bool:
    """Return whether the body is a multipart form."""
    return request.mimetype == 'multipart/form-data'


def load_form(schema: Schema) -> dict[str, object]:
    """Return the fields and files of a multipart form, loaded by a schema.

    Files are written to the targets of their fields as they arrive. Unknown text fields are
    ignored, because upload widgets send their own beside each file: Uppy `type` and `relativePath`,
    FilePond a text with the name of the file's field. Unknown files are rejected: their content
    would be lost.

    :raises UnsupportedMediaType: if the body is not a multipart form.
    :raises BadRequest: if the form is malformed.
    :raises ValidationError: if it does not fit the schema, or a known name is repeated.
    :raises InsufficientStorage: if the disk is full; ServiceUnavailable if it fails.
    """
    if not is_form():
        raise UnsupportedMediaType('Must be multipart/form-data')
    form, files = _FormParser(schema).read()
    known = MultiDict(
        (name, text)
        for name, text in form.items(multi=True)
        if name in schema.fields
        and not (name in files and isinstance(schema.fields[name], UploadedFile))
    )
    repeated = set(known) & set(files)
    if repeated:
        raise ValidationError({name: [REPEATED_MESSAGE] for name in sorted(repeated)})
    return cast(dict[str, object], schema.load(_single(known) | _single(files)))


class _FormParser(MultiPartParser):
    """Werkzeug's form parser; it writes each file to the target that its field creates."""

    def __init__(self, schema: Schema) -> None:
        most = request.max_form_memory_size
        # The parser counts two things against the memory limit: the current block, and bytes that
        # it keeps because they may be the start of a boundary. So a block may be at most half of
        # the limit.
        block = min(READ_CHUNK_BYTES, most // 2) if most else READ_CHUNK_BYTES
        super().__init__(
            max_form_memory_size=most, max_form_parts=request.max_form_parts, buffer_size=block
        )
        self.schema = schema
        self.seen: set[str | None] = set()
        self.targets = ExitStack()

    def read(self) -> tuple[MultiDict[str, str], MultiDict[str, FileStorage]]:
        """Return the fields and files. Flask closes the files when the request ends."""
        with self.targets:
            try:
                boundary = request.mimetype_params.get('boundary', '').encode('ascii')
                with translate_os_errors():
                    form, files = self.parse(request.stream, boundary, request.content_length)
            except ValueError as error:
                raise BadRequest('Not a multipart form') from error
            if None in form or None in files:
                raise BadRequest('A part of the form has no name')
            # `files` has a setter. pyright finds none: `cached_property` inherits `property`.
            request.files = ImmutableMultiDict(files)  # pyright: ignore[reportAttributeAccessIssue]
            self.targets.pop_all()
        return form, files

    def get_part_charset(self, headers: Headers) -> str:
        """Return the codec of a field: UTF-8, or the charset that its header names."""
        charset = super().get_part_charset(headers)
        return CLIENT_TEXT if charset == 'utf-8' else charset

    def start_file_streaming(self, event: File, total_content_length: int | None) -> Any:
        """Return the target of a file. The bytes of repeated and unknown files are discarded."""
        ensure_valid_text(event.filename)
        field = self.schema.fields.get(event.name)
        if not isinstance(field, UploadedFile) or event.name in self.seen:
            return self.targets.enter_context(Path(os.devnull).open('r+b'))
        self.seen.add(event.name)
        default = super().start_file_streaming
        sink = (field.stream_factory or partial(default, event))(total_content_length)
        self.targets.callback(sink.close)
        return sink


def parse_json(body: bytes) -> Any:
    """Return the value of a JSON document.

    :raises BadRequest: if it is not valid JSON, or exceeds a limit, such as that of nesting.
    :raises ContentTooLarge: if it has more than 10,000 values.
    """
    if _count_values(body) > MAX_VALUES:
        raise ContentTooLarge(f'More than {MAX_VALUES:,} values')
    try:
        value = json.loads(
            body.decode('utf-8'), object_pairs_hook=_object, parse_constant=_reject_constant
        )
        _check(value, 1)
    except UnicodeDecodeError:
        raise BadRequest('Not UTF-8') from None
    except RecursionError:
        raise BadRequest(f'Nested more than {MAX_DEPTH} levels deep') from None
    except ValueError:
        # Python also raises ValueError for an integer with more than 4,300 digits.
        raise BadRequest('Not valid JSON') from None
    return value


def _count_values(body: bytes) -> int:
    """Return the number of values in a JSON document, before it is parsed; not less if invalid."""

    def count(text: bytes) -> int:
        # Each value is the first of the document or of a container, or follows a comma.
        return 1 + text.count(b',') + text.count(b'[') + text.count(b'{')

    # Most bodies have so few of these characters that it does not matter where they are.
    if (highest := count(body)) <= MAX_VALUES:
        return highest
    text = STRING_PATTERN.sub(b'', body)
    return count(text) - len(EMPTY_PATTERN.findall(text))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise BadRequest('A key is given more than once')
    return members


def _reject_constant(name: str) -> None:
    raise BadRequest(f'{name} is not valid JSON')


def _check(value: Any, depth: int) -> None:
    if isinstance(value, str):
        ensure_valid_text(value)
    elif isinstance(value, dict | list):
        if depth > MAX_DEPTH:
            raise RecursionError
        if isinstance(value, dict):
            for key in value:
                ensure_valid_text(key)
            value = value.values()
        for member in value:
            _check(member, depth + 1)
    elif isinstance(value, float) and not isfinite(value):
        raise BadRequest('A number is too large')


def _single(values: MultiDict[str, Any]) -> dict[str, Any]:
    """Return the only value of each name. Raise an error if a name is repeated (ASVS 15.3.7)."""
    repeated = sorted(name for name, many in values.lists() if len(many) > 1)
    if repeated:
        raise ValidationError({name: [REPEATED_MESSAGE] for name in repeated})
    for name, value in values.items():
        ensure_valid_text(name)
        if isinstance(value, str):
            ensure_valid_text(value)
    return dict(values.items())
