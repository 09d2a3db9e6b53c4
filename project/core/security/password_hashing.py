"""argon2id: the only file that hashes passwords. Slow on purpose, so never inside `atomic`.

Each takes a core and the configured memory, so only so many run at once in the whole service; who
waits for longer than two seconds is refused with ServiceUnavailable (503).
"""

import secrets
import time
import unicodedata
from base64 import b64encode
from contextlib import AbstractContextManager, suppress
from functools import cache

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from flask import current_app

from project.core.semaphore import InterprocessSemaphore

HASHING_TIMEOUT_SECONDS = 2.0  # seconds
MEASURED_MEMORY_KIB = 64 * 1024

# At import, which gunicorn does before it forks: all its workers share them.
hashing_slots = InterprocessSemaphore()


def hash_password(password: str) -> str:
    """Return what is stored of a password: argon2id with the configured cost (ASVS 11.4.2)."""
    with _hashing_slot():
        return _hasher().hash(_normal(password))


def verify_password(stored_hash: str | None, password: str, *, cost_of: str | None = None) -> bool:
    """Tell whether a password is the stored one.

    Takes the same time where nothing is stored, so that it does not tell who exists (ASVS 6.3.8).
    No password is the one of a stored hash that is damaged.

    :param cost_of: the hash whose cost is spent if nothing is stored; by default the configured
        cost. A raised cost holds for a stored hash only after its user's next login.
    """
    try:
        with _hashing_slot():
            matches = _hasher().verify(stored_hash or _dummy(*_cost(cost_of)), _normal(password))
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False
    return matches and stored_hash is not None


def needs_rehash(stored_hash: str) -> bool:
    """Tell whether a hash was made at another cost than is configured now."""
    return _hasher().check_needs_rehash(stored_hash)


@cache
def estimate_hash_seconds(memory: int, rounds: int) -> float:
    """Return how long a hash of this cost takes on this machine.

    One round is measured, with at most 64 MiB; the time is proportional to both.

    :param memory: in KiB.
    """
    measured = min(memory, MEASURED_MEMORY_KIB)
    begin = time.perf_counter()
    _hasher_of(measured, 1, 1).hash('')
    return (time.perf_counter() - begin) * rounds * memory / measured


def _hashing_slot() -> AbstractContextManager[None]:
    return hashing_slots.acquire(
        current_app.config['AUTH_HASH_CONCURRENCY'], timeout=HASHING_TIMEOUT_SECONDS
    )


def _normal(password: str) -> str:
    # The same key presses give the same password on every machine (NFC), and nothing else changes.
    return unicodedata.normalize('NFC', password)


def _cost(stored_hash: str | None = None) -> tuple[int, int, int]:
    """Return memory, rounds and lanes of a stored hash, by default the configured ones."""
    if stored_hash is not None:
        with suppress(InvalidHashError):
            used = extract_parameters(stored_hash)
            return used.memory_cost, used.time_cost, used.parallelism
    return current_app.config['AUTH_HASH_MEMORY_KIB'], current_app.config['AUTH_HASH_ROUNDS'], 1


def _hasher() -> PasswordHasher:
    return _hasher_of(*_cost())


@cache
def _hasher_of(memory: int, rounds: int, lanes: int) -> PasswordHasher:
    return PasswordHasher(time_cost=rounds, memory_cost=memory, parallelism=lanes)


@cache
def _dummy(memory: int, rounds: int, lanes: int) -> str:
    """Return a well-formed hash that no password has, without the time to make one."""
    salt, digest = (b64encode(secrets.token_bytes(n)).rstrip(b'=').decode() for n in (16, 32))
    return f'$argon2id$v=19$m={memory},t={rounds},p={lanes}${salt}${digest}'
