"""Idempotency keys: a repeated request gets the response of the first one, without a second effect.

The header is that of draft-ietf-httpapi-idempotency-key-header. The routes are in
`project/core/web/endpoints/idempotency.py`.
"""

from .errors import (
    IDEMPOTENCY_ERRORS,
    IdempotencyKeyInvalid,
    IdempotencyKeyReused,
    IdempotentRequestRunning,
    IdempotentResponseLost,
    TooManyIdempotencyKeys,
)
from .rows import (
    KeyScope,
    StoredResponse,
    delete_idempotency_keys_of,
    export_idempotency_keys,
    find_response,
    lock_key,
    store_response,
)

__all__ = [
    'IDEMPOTENCY_ERRORS',
    'IdempotencyKeyInvalid',
    'IdempotencyKeyReused',
    'IdempotentRequestRunning',
    'IdempotentResponseLost',
    'KeyScope',
    'StoredResponse',
    'TooManyIdempotencyKeys',
    'delete_idempotency_keys_of',
    'export_idempotency_keys',
    'find_response',
    'lock_key',
    'store_response',
]
