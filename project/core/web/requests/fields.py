"""Fields that schemas of every feature use, beside marshmallow's own."""

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

# What turns the writing direction around, so that a name reads as another one.
BIDIRECTIONAL = frozenset('\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069')


class Text(fields.Str):
    """Text of a declared length in characters, NFC, without control characters but line breaks.

    Refuses numbers and other things that are not text.
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
    """An address, in the form it is written to. Refuses what no mail could reach by its syntax."""

    default_error_messages = {'invalid': 'Not a valid email address.'}

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, *args, **kwargs)
        address = normalize_email_address(text)
        if address is None:
            raise self.make_error('invalid')
        return address


class Password(fields.Str):
    """A password, exactly as typed: any characters, at most 128 of them (ASVS 6.2.8, 6.2.9).

    :param min: what a new one must have at least; an old one may be anything.
    """

    def __init__(self, *, min: int = 1, max: int = 128, **kwargs: Any) -> None:
        metadata = {'format': 'password', 'writeOnly': True}
        super().__init__(validate=validate.Length(min, max), metadata=metadata, **kwargs)


class Token(fields.Str):
    """One of our tokens; whether it opens anything is not asked here."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validate=validate.Length(1, 128), metadata={'writeOnly': True}, **kwargs)


class Timestamp(fields.Field[datetime]):
    """A moment in RFC 3339 with an offset; always UTC, returned as `2026-11-23T08:30:00Z`.

    The only field for moments. Rejects moments to which no lifetime can be added, or from which
    none can be subtracted (see `project.core.clock`).
    """

    default_error_messages = {
        'invalid': 'Must be a time in RFC 3339 such as 2026-11-23T08:30:00Z, of the years '
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
    """A one-time password: text of six digits, `0`–`9`. It keeps leading zeros: it is no number."""

    default_error_messages = {'invalid': 'Must be six digits, as text.'}
    # Not `\d`, which would also take the digits of other scripts.
    pattern = '[0-9]{6}'

    def _serialize(self, value: str | None, *_: Any, **__: Any) -> str | None:
        return value

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if not (isinstance(value, str) and re.fullmatch(self.pattern, value)):
            raise self.make_error('invalid')
        return value


class PinCode(OtpCode):
    """A PIN from a mail: six digits, or a code of 16 base32 characters in any case.

    The code may have its dashes between groups of four, or none.
    """

    default_error_messages = {'invalid': 'Must be six digits, or the code of the mail, as text.'}
    pattern = f'{OtpCode.pattern}|[A-Za-z2-7]{{4}}(?:-?[A-Za-z2-7]{{4}}){{3}}'


class UploadTarget(Protocol):
    """What the bytes of a file are written to as they come; closed with the request."""

    def write(self, block: bytes, /) -> Any:
        """Take in a block, or refuse."""

    def seek(self, offset: int, /) -> Any:
        """Go back to the first byte: all are there."""

    def close(self) -> None:
        """Let go of them."""


class UploadedFile(fields.Field[FileStorage]):
    """A file in a multipart form. Refuses text under its name.

    :param into: what opens the sink that is then the file's `stream`, given the length of the whole
        form if that was announced; without it, a temporary file.
    """

    default_error_messages = {'invalid': 'Not a file.'}

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
    """A list in a form's text field: `red,green`. Every word must fit `word`.

    :param max_words: how many words there may be.
    """

    def __init__(self, word: fields.Field[str], *, max_words: int, **kwargs: Any) -> None:
        self.words = fields.List(word, validate=validate.Length(max=max_words))
        super().__init__(load_default=list, **kwargs)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, *args, **kwargs)
        return self.words.deserialize([w.strip() for w in text.split(',') if w.strip()])
