"""HMACs and signatures with keys that are derived from `SECRET_KEY`.

Each purpose has its own key, so a signature for one purpose is invalid for all others.
"""

import hashlib
import hmac
from functools import cache

from flask import current_app
from itsdangerous import BadSignature, URLSafeSerializer


def compute_hmac(purpose: str, message: str) -> bytes:
    """Return the HMAC-SHA-256 (32 bytes) of a message, with the purpose's newest key."""
    return _hmac_under(current_app.config['SECRET_KEY'], purpose, message)


def verify_hmac(expected: bytes, purpose: str, message: str) -> bool:
    """Return, in constant time, whether any key yields the HMAC `expected` of a message."""
    matches = [hmac.compare_digest(expected, _hmac_under(key, purpose, message)) for key in _keys()]
    return any(matches)


def keyed_number(purpose: str, message: str) -> int:
    """Return a number below 2³¹ that depends on the message and the newest key of the purpose.

    It cannot be predicted without the key. Do not store it: it changes when the key is rotated.
    """
    return int.from_bytes(compute_hmac(purpose, message)[:4]) >> 1


def sign(purpose: str, value: object) -> str:
    """Return a JSON value as signed, URL-safe text. The value is not encrypted."""
    return str(_serializer(purpose).dumps(value))


def unsign(purpose: str, text: str) -> object | None:
    """Return the value that `sign` signed, or None if the signature is invalid."""
    try:
        value: object = _serializer(purpose).loads(text)
    except BadSignature:
        return None
    return value


def derived_keys(purpose: str) -> list[bytes]:
    """Return the keys of a purpose (32 bytes each): one per secret key, the newest first."""
    return [_derived(key, purpose) for key in _keys()]


def _serializer(purpose: str) -> URLSafeSerializer:
    return _serializer_of(tuple(_keys()), purpose)


@cache
def _serializer_of(keys: tuple[str, ...], purpose: str) -> URLSafeSerializer:
    return URLSafeSerializer(
        # itsdangerous signs with the last key, and verifies with any of them.
        list(reversed(keys)),
        salt=purpose,
        signer_kwargs={'digest_method': hashlib.sha256},
    )


def _hmac_under(key: str, purpose: str, message: str) -> bytes:
    return hmac.digest(_derived(key, purpose), message.encode(), 'sha256')


def _derived(key: str, purpose: str) -> bytes:
    return hmac.digest(key.encode(), purpose.encode(), 'sha256')


def _keys() -> list[str]:
    return [current_app.config['SECRET_KEY'], *current_app.config['SECRET_KEY_FALLBACKS']]
