"""`ETag` of JSON responses, and the condition of writes on versions (RFC 9110).

The ETag of an object with versions consists of its version, so that a write can compare it in SQL.
All other JSON responses have a hash of their content.
"""

from hashlib import blake2b
from typing import Any

from flask import Response, request

from project.core.errors import PreconditionFailed
from project.core.version_preconditions import Precondition

from .conditional_requests import (
    SAFE_METHODS,
    EntityTags,
    Outcome,
    evaluate_preconditions,
    not_modified,
)

# The hash distinguishes the contents of one URL. An attacker gains nothing from two equal ones.
DIGEST_BYTES = 16


def add_etag(response: Response, etag: str | None = None) -> Response:
    """Add an `ETag` to a JSON response, and evaluate the preconditions of `GET` and `HEAD`.

    :param etag: by default a hash of the content.
    :returns: the response, or 304 if the client has this content.
    :raises PreconditionFailed: if `If-Match` has another ETag.
    """
    etag = etag or blake2b(response.get_data(), digest_size=DIGEST_BYTES).hexdigest()
    response.set_etag(etag)
    is_read = request.method in SAFE_METHODS
    if is_read and evaluate_preconditions(etag) is Outcome.NOT_MODIFIED:
        return not_modified(response)
    return response


def etag_of(thing: Any, schema: Any) -> str:
    """Return the ETag of an object with versions.

    It is the version. A schema for objects whose URL may later belong to another object has a
    function `etag`, which adds the identity of the object. An ETag must never be valid for two of
    them.

    :param schema: the response schema.
    """
    find = getattr(schema, 'etag', None)
    return find(thing) if find else str(thing.version)


def reject_if_match() -> None:
    """Ensure that a write on a URL without an ETag to compare has no tag in `If-Match`.

    No tag can be the current one. `*` is true: the handler returns 404 if there is no object.

    :raises PreconditionFailed: if the request has a tag, or an invalid value.
    """
    accepted = EntityTags.of_request('If-Match')
    if accepted is not None and not accepted.is_any:
        raise PreconditionFailed


def version_precondition() -> Precondition:
    """Return the condition in `If-Match` and `If-None-Match` of a write.

    Weak tags in `If-Match` match no version; in `If-None-Match` they count (RFC 9110 §8.8.3.2).
    """
    accepted, known = (EntityTags.of_request(name) for name in ('If-Match', 'If-None-Match'))
    return Precondition(
        must_exist=accepted is not None,
        accepted=None if accepted is None or accepted.is_any else accepted.strong,
        must_not_exist=known is not None and known.is_any,
        excluded=known.strong | known.weak if known else frozenset(),
    )
