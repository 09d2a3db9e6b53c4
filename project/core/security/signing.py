"""Keys made of `SECRET_KEY`, one per purpose, so that nothing signed for one passes for another."""

import hashlib
import hmac
from functools import cache

from flask import current_app
from itsdangerous import BadSignature, URLSafeSerializer


def compute_hmac(purpose: str, message: str) -> bytes:
    """Return a 32-byte HMAC-SHA-256 of a message under today's key for the purpose."""
    return _hmac_under(current_app.config['SECRET_KEY'], purpose, message)


def verify_hmac(expected: bytes, purpose: str, message: str) -> bool:
    """Tell, in constant time, whether `expected` is the HMAC, under this key or an older one."""
    matches = [hmac.compare_digest(expected, _hmac_under(key, purpose, message)) for key in _keys()]
    return any(matches)


def keyed_number(purpose: str, message: str) -> int:
    """Return a number below 2³¹ that is unpredictable without the key.

    Do not store it: it changes with the key.
    """
    return int.from_bytes(compute_hmac(purpose, message)[:4]) >> 1


def sign(purpose: str, value: object) -> str:
    """Return a JSON value as URL-safe text that `unsign` will believe. It is not hidden by this."""
    return str(_serializer(purpose).dumps(value))


def unsign(purpose: str, text: str) -> object | None:
    """Return what `sign` was given, or None for anything else."""
    try:
        value: object = _serializer(purpose).loads(text)
    except BadSignature:
        return None
    return value


def derived_keys(purpose: str) -> list[bytes]:
    """Return a key of 32 bytes for a purpose from each secret key, today's first."""
    return [_derived(key, purpose) for key in _keys()]


def _serializer(purpose: str) -> URLSafeSerializer:
    return _serializer_of(tuple(_keys()), purpose)


@cache
def _serializer_of(keys: tuple[str, ...], purpose: str) -> URLSafeSerializer:
    return URLSafeSerializer(
        # The last one signs; all of them are believed.
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
