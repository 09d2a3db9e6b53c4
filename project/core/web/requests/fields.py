"""Fields for the request schemas of all features, in addition to those of marshmallow."""

import re
import unicodedata
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from marshmallow import fields, validate
from werkzeug.datastructures import FileStorage

from project.core.clock import EARLIEST_MOMENT, LATEST_MOMENT, parse_rfc3339, rfc3339
from project.core.email_addresses import normalize_email_address

FORBIDDEN_CATEGORIES = ('Cc', 'Cs')

# Characters that change the writing direction. With them, a name could look like another name.
BIDIRECTIONAL = frozenset('\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069')


class Text(fields.Str):
    """Text, normalized to NFC. Rejects control characters.

    Also rejects characters that change the writing direction.

    :param min, max: the allowed length in characters.
    :param lines: whether line breaks and tabs are allowed.
    """

    def __init__(self, *, min: int = 0, max: int, lines: bool = False, **kwargs: Any) -> None:
        self.lines = lines
        length = validate.Length(min or None, max)
        super().__init__(validate=[length, *kwargs.pop('validate', [])], **kwargs)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, *args, **kwargs)
        text = unicodedata.normalize('NFC', text)
        allowed = '\n\r\t' if self.lines else ''
        forbidden = (c for c in text if unicodedata.category(c) in FORBIDDEN_CATEGORIES)
        if not BIDIRECTIONAL.isdisjoint(text) or any(c not in allowed for c in forbidden):
            raise self.make_error('invalid')
        return text


class EmailAddress(fields.Str):
    """An email address in its canonical form. Rejects addresses with invalid syntax."""

    default_error_messages = {'invalid': 'Not a valid email address.'}

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, *args, **kwargs)
        address = normalize_email_address(text)
        if address is None:
            raise self.make_error('invalid')
        return address


class Password(fields.Str):
    """A password, exactly as typed: any characters, at most 128 of them.

    Source: ASVS 6.2.8, 6.2.9.

    :param min: the minimum length, for new passwords only.
    """

    def __init__(self, *, min: int = 1, max: int = 128, **kwargs: Any) -> None:
        metadata = {'format': 'password', 'writeOnly': True, **kwargs.pop('metadata', {})}
        super().__init__(validate=validate.Length(min, max), metadata=metadata, **kwargs)


class PermissionName(fields.Str):
    """The name of a permission, as in the scopes of an API key.

    Checks only the length. The service that uses the name knows which permissions exist.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validate=validate.Length(1, 64), **kwargs)


class Token(fields.Str):
    """A token of this service. Only its form is checked, not whether it is valid."""

    def __init__(self, **kwargs: Any) -> None:
        metadata = {'writeOnly': True, **kwargs.pop('metadata', {})}
        super().__init__(validate=validate.Length(1, 128), metadata=metadata, **kwargs)


class Timestamp(fields.Field[datetime]):
    """A moment in RFC 3339 with a UTC offset, loaded and returned in UTC (`2026-11-23T08:30:00Z`).

    Use no other field for moments. It rejects moments from which a calculation with a lifetime
    could overflow (see `project.core.clock`).
    """

    default_error_messages = {
        'invalid': 'Must be an RFC 3339 time such as 2026-11-23T08:30:00Z, in the years '
        f'{EARLIEST_MOMENT.year} to {LATEST_MOMENT.year}.'
    }

    def _serialize(self, value: datetime | None, *_: Any, **__: Any) -> str | None:
        return None if value is None else rfc3339(value)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> datetime:
        if not isinstance(value, str):
            raise self.make_error('invalid')
        try:
            return parse_rfc3339(value)
        except ValueError:
            raise self.make_error('invalid') from None


class OtpCode(fields.Field[str]):
    """A one-time password: a string of six digits, `0`–`9`, which may have leading zeros."""

    default_error_messages = {'invalid': 'Must be a string of six digits.'}
    # The pattern is not `\d`, which would also match digits of other scripts.
    pattern = '[0-9]{6}'

    def _serialize(self, value: str | None, *_: Any, **__: Any) -> str | None:
        return value

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if not (isinstance(value, str) and re.fullmatch(self.pattern, value)):
            raise self.make_error('invalid')
        return value


class PinCode(OtpCode):
    """A PIN from a mail: six digits, or a code of 16 base32 characters in upper or lower case.

    The code may have dashes between its groups of four.
    """

    default_error_messages = {'invalid': 'Must be a string: six digits, or the code of the mail.'}
    pattern = f'{OtpCode.pattern}|[A-Za-z2-7]{{4}}(?:-?[A-Za-z2-7]{{4}}){{3}}'


class UploadTarget(Protocol):
    """An object to which the bytes of an uploaded file are written while they arrive."""

    def write(self, block: bytes, /) -> object:
        """Append a block, or raise to reject the upload."""

    def seek(self, offset: int, /) -> object:
        """Set the position to the first byte. The parser calls this once, after the last block."""

    def close(self) -> None:
        """Release the target at the end of the request."""


class UploadedFile(fields.Field[FileStorage]):
    """A file in a multipart form. Rejects a text instead of a file.

    :param stream_factory: a function that returns the target, which becomes the `stream` of the
        file. Its argument is the `Content-Length` of the form, or None. By default, the target is a
        temporary file.
    """

    default_error_messages = {'invalid': 'Must be a file.'}

    def __init__(
        self, *, stream_factory: Callable[[int | None], UploadTarget] | None = None, **kwargs: Any
    ) -> None:
        self.stream_factory = stream_factory
        super().__init__(**kwargs)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> FileStorage:
        if not isinstance(value, FileStorage):
            raise self.make_error('invalid')
        return value


class CommaSeparated(fields.Str):
    """A list of words in one text field of a form, such as `red,green`.

    :param word: the field that checks each word.
    :param max_words: the maximum number of words.
    """

    def __init__(self, word: fields.Field[str], *, max_words: int, **kwargs: Any) -> None:
        self.words = fields.List(word, validate=validate.Length(max=max_words))
        super().__init__(load_default=list, **kwargs)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, *args, **kwargs)
        return self.words.deserialize([w.strip() for w in text.split(',') if w.strip()])
