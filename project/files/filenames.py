"""File names, and types: metadata that a stranger chose. They never become a path (ASVS 5.3.2)."""

import re
import unicodedata

from .errors import NameInvalid

UNNAMED = 'unnamed'
MAX_NAME_CHARACTERS = 255

MEDIA_TYPE_PATTERN = re.compile(r'[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}')

# Control and format characters: among the latter those that turn the writing direction around, so
# that `gpj.exe` reads as `exe.jpg`. Also lone surrogates.
HIDDEN_CATEGORIES = ('Cc', 'Cf', 'Cs')


def clean_name(name: str | None) -> str:
    """Return a name as it is kept: NFC, without folders and hidden characters.

    What is left of nothing is `unnamed`. Refuses more than 255 characters; nothing is cut off.
    """
    plain = unicodedata.normalize('NFC', name or '')
    last = re.split(r'[/\\]', plain)[-1]
    shown = ''.join(c for c in last if unicodedata.category(c) not in HIDDEN_CATEGORIES).strip()
    if len(shown) > MAX_NAME_CHARACTERS:
        raise NameInvalid
    return UNNAMED if shown in ('', '.', '..') else shown


def clean_type(said: str | None) -> str | None:
    """Return a media type as it is kept (RFC 6838): without parameters; None of what is none."""
    plain = (said or '').partition(';')[0].strip().lower()
    return plain if MEDIA_TYPE_PATTERN.fullmatch(plain) else None
