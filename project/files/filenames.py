"""File names and media types from clients. They never become paths (ASVS 5.3.2)."""

import re
import unicodedata

from .errors import NameInvalid

UNNAMED = 'unnamed'
MAX_NAME_CHARACTERS = 255

MEDIA_TYPE_PATTERN = re.compile(r'[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}')

# Unicode categories of hidden characters: control characters, format characters and lone
# surrogates. Some format characters reverse the writing direction, so that `gpj.exe` looks like
# `exe.jpg`.
HIDDEN_CATEGORIES = ('Cc', 'Cf', 'Cs')


def clean_name(name: str | None) -> str:
    """Return a file name in NFC, without folders and hidden characters.

    An empty name becomes `unnamed`.

    :raises NameInvalid: if the name has more than 255 characters; names are never truncated.
    """
    plain = unicodedata.normalize('NFC', name or '')
    last = re.split(r'[/\\]', plain)[-1]
    shown = ''.join(c for c in last if unicodedata.category(c) not in HIDDEN_CATEGORIES).strip()
    if len(shown) > MAX_NAME_CHARACTERS:
        raise NameInvalid
    return UNNAMED if shown in ('', '.', '..') else shown


def clean_type(said: str | None) -> str | None:
    """Return a media type without parameters, or None if it is not valid (RFC 6838)."""
    plain = (said or '').partition(';')[0].strip().lower()
    return plain if MEDIA_TYPE_PATTERN.fullmatch(plain) else None
