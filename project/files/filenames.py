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

# Format characters that belong to a language: the joiners of Persian, Hindi and emoji, visible
# marks (`Prepended_Concatenation_Mark` in Unicode), and the tags in the flags of emoji.
JOINERS = '\u200c\u200d'
VISIBLE_MARKS = '\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd'
TAGS = '\U000e0020-\U000e007f'
LANGUAGE_FORMAT = re.compile(f'[{JOINERS}{VISIBLE_MARKS}{TAGS}]')

# Elsewhere, they are hidden characters, too: a joiner after an ASCII character or another joiner,
# and tags without a flag.
USELESS_JOINERS = re.compile(
    rf'(?<![^\x00-\x7f\s{JOINERS}])[{JOINERS}]+|(?<=[{JOINERS}])[{JOINERS}]+'
)
TAGS_AFTER_FLAG = re.compile(f'(\U0001f3f4[{TAGS}]{{1,8}})|[{TAGS}]+')


def clean_name(name: str | None) -> str:
    """Return a file name in NFC, without folders and hidden characters.

    All ways in which a name arrives use this function: forms, queries, resumable uploads, changes
    and filters. Idempotent. An empty name becomes `unnamed`.

    :raises NameInvalid: if the name has more than 255 characters; names are never truncated.
    """
    last = re.split(r'[/\\]', name or '')[-1]
    shown = ''.join(c for c in last if not _is_hidden(c)).strip()
    shown = TAGS_AFTER_FLAG.sub(r'\1', USELESS_JOINERS.sub('', shown)).strip()
    shown = unicodedata.normalize('NFC', shown)
    if len(shown) > MAX_NAME_CHARACTERS:
        raise NameInvalid
    return UNNAMED if shown in ('', '.', '..') else shown


def _is_hidden(char: str) -> bool:
    is_format = unicodedata.category(char) in HIDDEN_CATEGORIES
    return is_format and not LANGUAGE_FORMAT.match(char)


def clean_type(said: str | None) -> str | None:
    """Return a media type without parameters, or None if it is not valid (RFC 6838)."""
    plain = (said or '').partition(';')[0].strip().lower()
    return plain if MEDIA_TYPE_PATTERN.fullmatch(plain) else None
