"""Opaque tokens: `<kind>_<43 random characters><6 of checksum>`. Stored only as a hash.

The kind lets a secret scanner name a leak; the checksum lets us refuse a typing error, or a guess,
without asking the database.
"""

import hashlib
import re
import secrets
import zlib

ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
SHAPE = re.compile(r'([a-z]{3})_([A-Za-z0-9_-]{43,86})([0-9A-Za-z]{6})', re.ASCII)


def new_token(kind: str, family: str = '') -> str:
    """Return a token of 256 random bits (ASVS 7.2.3); `kind` is three small letters.

    :param family: what all tokens of a line begin with (`new_family`), so that an old one still
        names its line.
    """
    body = f'{kind}_{family}{secrets.token_urlsafe(32)}'
    return body + _checksum(body)


def new_family() -> str:
    """Return the beginning that a line of tokens has in common: 128 random bits."""
    return secrets.token_urlsafe(16)


def family_of(token: str) -> str:
    """Return the beginning of a token that was made with one."""
    return token[4:26]


def kind_of(token: str) -> str | None:
    """Return the kind of a token that may be one of ours, or None for what cannot be."""
    match = SHAPE.fullmatch(token)
    if match is None or _checksum(token[:-6]) != token[-6:]:
        return None
    return match[1]


def token_hash(token: str) -> str:
    """Return what is stored of a token. It is random, so a fast hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ''
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits += ALPHABET[digit]
    return digits
