"""Hashing of passwords with argon2id. No other module hashes passwords.

Hashing is slow on purpose, so do not call it inside `atomic`. Each hash takes one core and
`AUTH_HASH_MEMORY_KIB` of memory. So `AUTH_HASH_CONCURRENCY` limits concurrent hashes in the whole
service. All functions that hash raise ServiceUnavailable (503) if no slot becomes free in time.
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

HASHING_TIMEOUT_SECONDS = 2.0  # the maximum wait for a slot
MEASURED_MEMORY_KIB = 64 * 1024

# Created at import, which gunicorn does before it forks, so that all workers share the slots.
hashing_slots = InterprocessSemaphore()


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password, with the configured cost (ASVS 11.4.2)."""
    with _hashing_slot():
        return _hasher().hash(_normal(password))


def verify_password(stored_hash: str | None, password: str, *, cost_of: str | None = None) -> bool:
    """Return whether a password matches a stored hash.

    If `stored_hash` is None, the check takes as long as with a hash, so that the timing does not
    reveal which users exist (ASVS 6.3.8). A damaged hash matches no password.

    :param stored_hash: None if the user does not exist or has no password.
    :param cost_of: the stored hash of another user, for the case that `stored_hash` is None. The
        check then takes as long as for this hash; without `cost_of`, as long as for a hash of the
        configured cost. After a change of the configured cost, most stored hashes still have the
        earlier cost, until the next login of their users.
    """
    try:
        with _hashing_slot():
            matches = _hasher().verify(stored_hash or _dummy(*_cost(cost_of)), _normal(password))
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False
    return matches and stored_hash is not None


def needs_rehash(stored_hash: str) -> bool:
    """Return whether the cost of a hash differs from the configured cost."""
    return _hasher().check_needs_rehash(stored_hash)


@cache
def estimate_hash_seconds(memory: int, rounds: int) -> float:
    """Return how many seconds of CPU time a hash of this cost takes on this machine.

    One round with at most 64 MiB is measured. The time is proportional to rounds and memory. It is
    CPU time, so that a service also starts on a machine that is busy at this moment.

    :param memory: in KiB.
    """
    measured = min(memory, MEASURED_MEMORY_KIB)
    begin = time.process_time()
    _hasher_of(measured, 1, 1).hash('')
    return (time.process_time() - begin) * rounds * memory / measured


def _hashing_slot() -> AbstractContextManager[None]:
    return hashing_slots.acquire(
        current_app.config['AUTH_HASH_CONCURRENCY'], timeout=HASHING_TIMEOUT_SECONDS
    )


def _normal(password: str) -> str:
    # Normalize to NFC, because keyboards may produce different code points for the same character.
    # The password is not changed otherwise.
    return unicodedata.normalize('NFC', password)


def _cost(stored_hash: str | None = None) -> tuple[int, int, int]:
    """Return memory, rounds and parallelism of a stored hash; by default the configured ones."""
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
    """Return a text in the form of a hash with this cost. It matches no password."""
    salt, digest = (b64encode(secrets.token_bytes(n)).rstrip(b'=').decode() for n in (16, 32))
    return f'$argon2id$v=19$m={memory},t={rounds},p={lanes}${salt}${digest}'
