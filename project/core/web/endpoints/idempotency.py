"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07) of endpoints that declare it.

The response is stored in the transaction of the effect. If the process dies or the transaction
fails, there is neither an effect nor a stored response, and the client can send the request again.

If the handler rejects the request (4xx), the transaction is rolled back, and a second one stores
the response. If the process dies between the two, a repeated request is executed again.
"""

import re
from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING

from flask import Response, request

from project.core.database.retries import repeatable
from project.core.database.session import atomic, authorize_caller
from project.core.errors import ApiError
from project.core.idempotency import (
    IdempotencyKeyInvalid,
    IdempotentRequestRunning,
    KeyScope,
    StoredResponse,
    find_response,
    lock_key,
    store_response,
)
from project.core.web.responses.error_handlers import handle_api_error

from .access import current_principal

if TYPE_CHECKING:
    from .endpoint_spec import EndpointSpec

KEY_HEADER = 'Idempotency-Key'
REPLAYED_HEADER = 'Idempotency-Replayed'
# Hashing would hold the transaction, and on SQLite the only write lock, for 50 ms.
IDEMPOTENCY_RULE = 'only a POST with a login and JSON that hashes no password can be'

# Responses that say nothing about the request itself, so that the client should send it again: the
# login or a permission is missing now, the body was too slow, or there were too many requests.
NOT_KEPT = frozenset({401, 403, 408, 429})

VISIBLE_ASCII = re.compile(r'[!-~]{1,255}', re.ASCII)


def can_be_idempotent(spec: 'EndpointSpec', method: str) -> bool:
    """Return whether a route may declare `idempotent=True`, by `IDEMPOTENCY_RULE`."""
    is_json = not (spec.form or spec.consumes or spec.produces)
    has_login = spec.allow.kind != 'public'
    return method == 'POST' and has_login and is_json and not spec.hashes_password


class _Rejected(Exception):
    """The handler has raised an error."""

    def __init__(self, error: ApiError):
        super().__init__(error)
        self.error = error


def respond_once(respond: Callable[[], Response]) -> Response:
    """Return the response of a request, or that of an earlier request with the same key.

    Without the header, the request is an ordinary one. All transactions of `respond` become one
    transaction. Responses below 500 are stored, except those in `NOT_KEPT`.

    :param respond: the function that has the effect and returns the response.
    :raises IdempotencyKeyInvalid: if the key has a wrong form.
    :raises ApiError: if the key cannot be used now, or `respond` raises.
    """
    if KEY_HEADER not in request.headers:
        return respond()
    key = request.headers[KEY_HEADER]
    if not VISIBLE_ASCII.fullmatch(key):
        raise IdempotencyKeyInvalid
    scope = KeyScope.of(current_principal().user_id, f'{request.method} {request.url_rule}', key)
    # Before the transaction begins: the body may still arrive.
    fingerprint = _fingerprint()
    try:
        return _respond(scope, fingerprint, respond)
    except _Rejected as rejected:
        error = rejected.error
    if not _is_kept(error.http_code):
        raise error
    rejection = handle_api_error(error)
    # The lock ended with the first transaction. If another request has stored a response since
    # then, that response counts.
    return _respond(scope, fingerprint, lambda: rejection)


def _is_kept(status: int) -> bool:
    return status < 500 and status not in NOT_KEPT


def _fingerprint() -> str:
    # The path contains the id of the object, which the URL rule of the scope does not contain.
    parts = request.full_path.encode(), request.get_data()
    return sha256(b'\n'.join(sha256(part).digest() for part in parts)).hexdigest()


@repeatable
def _respond(scope: KeyScope, fingerprint: str, respond: Callable[[], Response]) -> Response:
    with atomic(checks_caller=False):
        # Before the caller is locked: the first request holds that lock, and this one must not wait
        # for it.
        if not lock_key(scope):
            raise IdempotentRequestRunning
        # The caller may have lost the permission since the first request.
        authorize_caller()
        if stored := find_response(scope, fingerprint):
            response = Response(stored.body, stored.status, stored.headers)
            response.headers[REPLAYED_HEADER] = 'true'
            return response
        try:
            response = respond()
        except ApiError as error:
            # Another class, because the handler does not raise the errors of the key itself.
            raise _Rejected(error) from error
        if _is_kept(response.status_code):
            store_response(scope, fingerprint, _stored(response))
        return response


def _stored(response: Response) -> StoredResponse:
    return StoredResponse(response.status_code, list(response.headers), response.get_data())
