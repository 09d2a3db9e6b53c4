"""Text that clients send as bytes: in queries, and in the headers and fields of forms.

It is UTF-8. Older programs send Windows-1252 (Latin-1) instead, for example in the file name of a
form. Such bytes are decoded as that, so that no upload is lost because of its name.
"""

import codecs
import re
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from flask import Flask, Request
from werkzeug import formparser
from werkzeug.datastructures import Headers, ImmutableMultiDict
from werkzeug.sansio.multipart import MultipartDecoder

from project.core.errors import BadRequest

# The name of the codec and of its error handler.
CLIENT_TEXT = 'client_text'
LEGACY_ENCODING = 'cp1252'

# A backslash, and the character that it escapes in a quoted string (RFC 9110, section 5.6.4).
BACKSLASH = re.compile(r'\\([\\"]?)')
# Browsers send line breaks of a file name as these sequences (HTML, section 4.10.21.8).
ENCODED_LINE_BREAK = re.compile('%0[AD]')


def decode_client_text(data: bytes) -> str:
    """Return a text from bytes of a client: UTF-8, except for bytes that are not UTF-8."""
    return data.decode('utf-8', CLIENT_TEXT)


def ensure_valid_text(text: str) -> None:
    """Ensure that the database can store a text.

    :raises BadRequest: if it contains NUL or a lone surrogate.
    """
    if '\0' in text:
        raise BadRequest('Text must not contain NUL')
    if not text.isascii() and any('\ud800' <= char <= '\udfff' for char in text):
        raise BadRequest('Text must not contain a lone surrogate')


class ClientRequest(Request):
    """A request whose query may contain percent-encoded bytes that are not UTF-8."""

    # Werkzeug declares a settable property: its `cached_property` inherits from `property`.
    @cached_property
    def args(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
    ) -> ImmutableMultiDict[str, str]:
        """The parameters in the query string."""
        # The server rejects bytes above 127 that are not percent-encoded.
        query = decode_client_text(self.query_string)
        return ImmutableMultiDict(parse_qsl(query, keep_blank_values=True, errors=CLIENT_TEXT))


class FormHeaderDecoder(MultipartDecoder):
    """Werkzeug's decoder of forms, for the file names that browsers and older programs send."""

    def _parse_headers(self, data: bytes | bytearray) -> Headers:
        headers = super()._parse_headers(decode_client_text(bytes(data)).encode())
        if disposition := headers.get('Content-Disposition'):
            headers['Content-Disposition'] = _with_plain_backslashes(disposition)
        return headers


def _with_plain_backslashes(disposition: str) -> str:
    r"""Return the header of a part, so that the parser keeps the backslashes of a path.

    Browsers escape no backslash: `filename="C:\Users\a.txt"`. The parser would remove them all.
    """
    kept = BACKSLASH.sub(lambda found: found[0] if found[1] else r'\\', disposition)
    return ENCODED_LINE_BREAK.sub('', kept)


def init_app(app: Flask) -> None:
    """Let the application and the form parser decode the bytes of clients."""
    app.request_class = ClientRequest


def _decode_legacy(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode(LEGACY_ENCODING, 'replace'), error.end


def _decode(data: Any, _errors: str = 'strict') -> tuple[str, int]:
    return decode_client_text(bytes(data)), len(data)


def _find_codec(name: str) -> codecs.CodecInfo | None:
    if name != CLIENT_TEXT:
        return None
    return codecs.CodecInfo(
        name=CLIENT_TEXT,
        encode=codecs.utf_8_encode,
        decode=_decode,
    )


codecs.register_error(CLIENT_TEXT, _decode_legacy)
# The form parser decodes fields by the name of a codec, and has no parameter for its decoder of
# headers.
codecs.register(_find_codec)
formparser.MultipartDecoder = FormHeaderDecoder  # type: ignore[attr-defined]
