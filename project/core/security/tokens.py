"""Opaque tokens: `<kind>_<43 random characters><6 of checksum>`. Stored only as a hash.

The kind lets a secret scanner name a leak; the checksum lets us refuse a typing error, or a guess,
without asking the database. Features register the kinds; logs mask the tokens of every kind.
"""

import hashlib
import re
import secrets
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from project.core.registration import RegistrationError, Registry

ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
BODY_PATTERN = '_[A-Za-z0-9_-]{43,86}[0-9A-Za-z]{6}'


@dataclass(frozen=True, slots=True)
class TokenKind:
    """A kind of token: how to find its owner, and how to revoke it.

    :param prefix: three lower-case letters.
    :param meaning: what such a token opens, as mails and commands name it.
    :param find_owner: return the id of the user to whom a token belongs, or None if it is unknown.
    :param revoke: revoke a token, inside `atomic`.
    """

    prefix: str
    meaning: str
    find_owner: Callable[[str], int | None]
    revoke: Callable[[str], None]


_kinds: Registry[TokenKind] = Registry('token kind')


def register_token_kind(kind: TokenKind, *, owner: str) -> None:
    """Register a kind of token, so that it can be issued, masked in logs, found and revoked.

    :param owner: the module that registers it: `__name__`.
    :raises RegistrationError: if the prefix is registered already, or not three lower-case letters.
    """
    if not re.fullmatch('[a-z]{3}', kind.prefix):
        raise RegistrationError(f'{owner}: token kind {kind.prefix!r} is not three letters')
    _kinds.register(kind.prefix, kind, owner=owner)
    token_pattern.cache_clear()


def token_kinds() -> Mapping[str, TokenKind]:
    """Return every registered kind by its prefix, in alphabetical order."""
    return _kinds.values


@cache
def token_pattern() -> re.Pattern[str]:
    """Return the expression that finds a token of any registered kind in any text.

    It has no word boundaries: `\\npst_…` in escaped text is found as well.
    """
    prefixes = '|'.join(token_kinds()) or '(?!)'
    return re.compile(f'({prefixes}){BODY_PATTERN}', re.ASCII)


def mask_tokens(text: str) -> str:
    """Return a text in which only the kind of each token is left: `psl_***`."""
    return token_pattern().sub(r'\1_***', text)


def new_token(kind: str, family: str = '') -> str:
    """Return a token of 256 random bits (ASVS 7.2.3); `kind` is the prefix of a registered kind.

    :param family: what all tokens of a line begin with (`new_family`), so that an old one still
        names its line.
    """
    if kind not in token_kinds():
        raise RegistrationError(f'token kind {kind!r} is not registered')
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
    match = token_pattern().fullmatch(token)
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
