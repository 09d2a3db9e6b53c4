"""Opaque tokens: `<kind>_<43 or more random characters><6 of checksum>`. Only a hash is stored.

The kind lets secret scanners recognize a leaked token. With the checksum, most mistyped or invented
tokens are rejected without a query. Features register the kinds. Logs mask all tokens of this form.
"""

import hashlib
import re
import secrets
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from project.core.registration import RegistrationError, Registry

ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
# Finds tokens of all kinds, also those of features that were removed. It has no word boundaries, so
# that it also finds the token after the escaped line break in `\npst_…`.
TOKEN_PATTERN = re.compile('([a-z]{3})_[A-Za-z0-9_-]{43,86}[0-9A-Za-z]{6}', re.ASCII)


@dataclass(frozen=True, slots=True)
class TokenKind:
    """A kind of token: how to find its owner, and how to revoke it.

    :param prefix: three lower-case letters.
    :param meaning: the name of such tokens in mails and commands.
    :param find_owner: returns the id of the user who owns a token, or None if the token is unknown.
    :param revoke: revokes a token, inside `atomic`.
    """

    prefix: str
    meaning: str
    find_owner: Callable[[str], int | None]
    revoke: Callable[[str], None]


_kinds: Registry[TokenKind] = Registry('token kind')


def register_token_kind(kind: TokenKind, *, owner: str) -> None:
    """Register a kind of tokens.

    Only tokens of registered kinds can be created, recognized and revoked.

    :param owner: the module that registers it: `__name__`.
    :raises RegistrationError: if the prefix is registered already, or not three lower-case letters.
    """
    if not re.fullmatch('[a-z]{3}', kind.prefix):
        raise RegistrationError(f'{owner}: token kind {kind.prefix!r} is not three letters')
    _kinds.register(kind.prefix, kind, owner=owner)


def token_kinds() -> Mapping[str, TokenKind]:
    """Return all registered kinds by prefix, in alphabetical order."""
    return _kinds.values


def token_owners() -> dict[str, str]:
    """Return the module that registered each kind, by prefix."""
    return {prefix: _kinds.owner_of(prefix) for prefix in _kinds.values}


def mask_tokens(text: str) -> str:
    """Return a text in which each token is replaced by its kind: `psl_***`."""
    return TOKEN_PATTERN.sub(r'\1_***', text)


def new_token(kind: str, family: str = '') -> str:
    """Return a token with 256 random bits (ASVS 7.2.3).

    :param kind: the prefix of a registered kind.
    :param family: the beginning that all successive tokens of a session share (`new_family`). With
        it, an old token still identifies its session.
    :raises RegistrationError: if the kind is not registered.
    """
    if kind not in token_kinds():
        raise RegistrationError(f'token kind {kind!r} is not registered')
    body = f'{kind}_{family}{secrets.token_urlsafe(32)}'
    return body + _checksum(body)


def new_family() -> str:
    """Return a new beginning for a family of tokens, such as the refresh tokens of a session.

    It consists of 128 random bits.
    """
    return secrets.token_urlsafe(16)


def family_of(token: str) -> str:
    """Return the family (see `new_family`) with which a token was created."""
    return token[4:26]


def kind_of(token: str) -> str | None:
    """Return the kind of a token, or None if its kind, form or checksum is wrong."""
    match = TOKEN_PATTERN.fullmatch(token)
    if match is None or match[1] not in _kinds.values or _checksum(token[:-6]) != token[-6:]:
        return None
    return match[1]


def token_hash(token: str) -> str:
    """Return the hash under which a token is stored.

    It is a fast hash, because tokens are random.
    """
    return hashlib.sha256(token.encode()).hexdigest()


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ''
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits += ALPHABET[digit]
    return digits
