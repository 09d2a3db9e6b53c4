"""Errors of requests with `Idempotency-Key`."""

from project.core.errors import Conflict, TooManyRequests, UnprocessableContent

FIELD = 'idempotency_key'


class IdempotencyKeyInvalid(UnprocessableContent):
    """The key has a wrong form."""

    field = FIELD
    reason = 'Must have 1 to 255 visible ASCII characters'


class IdempotencyKeyReused(UnprocessableContent):
    """An earlier request with this key had another URL or body."""

    field = FIELD
    reason = 'Used for another request: send a new key'


class IdempotentRequestRunning(Conflict):
    """An earlier request with this key is not finished."""

    field = FIELD
    reason = 'The first request with this key is still running: try again later'


class IdempotentResponseLost(Conflict):
    """The request was done, but the secret key of its stored response was removed."""

    field = FIELD
    reason = 'The request was done before, but its response can no longer be read'


class TooManyIdempotencyKeys(TooManyRequests):
    """The user has the maximum number of stored keys."""

    field = FIELD
    reason = 'Too many keys in 24 hours'


IDEMPOTENCY_ERRORS = (
    IdempotencyKeyInvalid,
    IdempotencyKeyReused,
    IdempotentRequestRunning,
    IdempotentResponseLost,
    TooManyIdempotencyKeys,
)
