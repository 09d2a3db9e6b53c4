"""Symmetric encryption with keys that are derived from `SECRET_KEY`.

Use it for values that must be readable later, but must not be stored in plain text. Each purpose
has its own key, so a value that is encrypted for one purpose cannot be decrypted for another. The
cipher is Fernet (AES-128-CBC with HMAC-SHA-256, authenticated) of the cryptography package.
"""

from base64 import urlsafe_b64encode
from contextlib import suppress
from functools import cache
from hashlib import sha256

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from .signing import derived_keys


def encrypt(purpose: str, secret: bytes) -> bytes:
    """Return a ciphertext that only `decrypt` with this purpose can read (ASVS 11.3.2)."""
    return _cipher(purpose).encrypt(secret)


def decrypt(purpose: str, ciphertext: bytes) -> bytes | None:
    """Return the plain text of a ciphertext that `encrypt` has returned for the same purpose.

    :returns: None if the ciphertext is not valid under the newest key or a fallback key.
    """
    try:
        return _cipher(purpose).decrypt(ciphertext)
    except InvalidToken:
        return None


def find_key(purpose: str, ciphertext: bytes) -> int | None:
    """Return the number of the secret key under which a ciphertext is encrypted, or None.

    The newest key is 0, the first fallback key 1.
    """
    for number, key in enumerate(derived_keys(f'seal:{purpose}')):
        with suppress(InvalidToken):
            _fernet(key).decrypt(ciphertext)
            return number
    return None


def reencrypt(purpose: str, ciphertext: bytes) -> bytes:
    """Decrypt a ciphertext, encrypt the plain text under the newest key, and return the result.

    :raises InvalidToken: if no key decrypts the ciphertext.
    """
    return _cipher(purpose).rotate(ciphertext)


def encrypt_with_token(token: str, secret: bytes) -> bytes:
    """Return a ciphertext that only `decrypt_with_token` with the same token can read.

    :param token: a random token. The key is a fast hash of the token, so the token must not be
        guessable.
    """
    return _cipher_under(token).encrypt(secret)


def decrypt_with_token(token: str, ciphertext: bytes) -> bytes | None:
    """Return the plain text of `encrypt_with_token`; None if `token` is another token."""
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
    # MultiFernet encrypts with the first key, and decrypts with any of them.
    return MultiFernet([_fernet(key) for key in keys])


def _fernet(key: bytes) -> Fernet:
    return Fernet(urlsafe_b64encode(key))
