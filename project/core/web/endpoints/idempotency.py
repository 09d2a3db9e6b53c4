"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07) of endpoints that declare it.

The response is stored in the transaction of the effect. If the process dies or the transaction
fails, there is neither an effect nor a stored response, and the client can send the request again.
"""

import re
from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING

from flask import Response, request

from project.core.database.retries import repeatable
from project.core.database.session import atomic, authorize_caller
from project.core.idempotency import (
    IdempotencyKeyInvalid,
    IdempotentRequestRunning,
    KeyScope,
    StoredResponse,
    find_response,
    lock_key,
    store_response,
)

from .access import current_principal

if TYPE_CHECKING:
    from .endpoint_spec import EndpointSpec

KEY_HEADER = 'Idempotency-Key'
REPLAYED_HEADER = 'Idempotency-Replayed'
# Hashing would hold the transaction, and on SQLite the only write lock, for 50 ms.
IDEMPOTENCY_RULE = 'only a POST with a login and JSON that hashes no password can be'

VISIBLE_ASCII = re.compile(r'[!-~]{1,255}', re.ASCII)


def can_be_idempotent(spec: 'EndpointSpec', method: str) -> bool:
    """Return whether a route may declare `idempotent=True`, by `IDEMPOTENCY_RULE`."""
    is_json = not (spec.form or spec.consumes or spec.produces)
    has_login = spec.allow.kind != 'public'
    return method == 'POST' and has_login and is_json and not spec.hashes_password


def respond_once(respond: Callable[[], Response]) -> Response:
    """Return the response of a request, or that of an earlier request with the same key.

    Without the header, the request is an ordinary one. All transactions of `respond` become one
    transaction.

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
    return _respond(scope, _fingerprint(), respond)


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
        response = respond()
        if response.status_code < 400:
            store_response(scope, fingerprint, _stored(response))
        return response


def _stored(response: Response) -> StoredResponse:
    return StoredResponse(response.status_code, list(response.headers), response.get_data())
