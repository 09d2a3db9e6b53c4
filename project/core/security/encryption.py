"""Sealing: what must be read again and may lie nowhere in the clear, under keys of `SECRET_KEY`.

One key per purpose, so that nothing sealed for one opens for another. The cipher is Fernet
(AES-128-CBC with HMAC-SHA-256, authenticated) of the cryptography package.
"""

from base64 import urlsafe_b64encode
from contextlib import suppress
from functools import cache
from hashlib import sha256

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from .signing import derived_keys


def encrypt(purpose: str, secret: bytes) -> bytes:
    """Return bytes that only `decrypt` with the same purpose can read (ASVS 11.3.2)."""
    return _cipher(purpose).encrypt(secret)


def decrypt(purpose: str, ciphertext: bytes) -> bytes | None:
    """Return what was encrypted, under today's key or an older one; None for anything else."""
    try:
        return _cipher(purpose).decrypt(ciphertext)
    except InvalidToken:
        return None


def find_key(purpose: str, ciphertext: bytes) -> int | None:
    """Return which key encrypted it: 0 for the newest, n for the nth fallback, None if unknown."""
    for number, key in enumerate(derived_keys(f'seal:{purpose}')):
        with suppress(InvalidToken):
            _fernet(key).decrypt(ciphertext)
            return number
    return None


def reencrypt(purpose: str, ciphertext: bytes) -> bytes:
    """Return the same secret encrypted under the newest key.

    :raises InvalidToken: if no key decrypts it.
    """
    return _cipher(purpose).rotate(ciphertext)


def encrypt_with_token(token: str, secret: bytes) -> bytes:
    """Return bytes that only `decrypt_with_token` with the same, random token can read."""
    return _cipher_under(token).encrypt(secret)


def decrypt_with_token(token: str, ciphertext: bytes) -> bytes | None:
    """Return what `encrypt_with_token` was given, or None for anything else."""
    try:
        return _cipher_under(token).decrypt(ciphertext)
    except InvalidToken:
        return None


def _cipher_under(password: str) -> Fernet:
    return Fernet(urlsafe_b64encode(sha256(f'seal:{password}'.encode()).digest()))


def _cipher(purpose: str) -> MultiFernet:
    return _cipher_of(tuple(derived_keys(f'seal:{purpose}')))


@cache
def _cipher_of(keys: tuple[bytes, ...]) -> MultiFernet:
    # The first one seals; all of them open.
    return MultiFernet([_fernet(key) for key in keys])


def _fernet(key: bytes) -> Fernet:
    return Fernet(urlsafe_b64encode(key))
