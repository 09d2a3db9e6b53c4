"""`ETag`, `If-Match` and `If-None-Match` (RFC 9110) for objects with a version column."""

import re
from typing import Any

from flask import Response, request

from project.core.errors import PreconditionFailed

VERSION = re.compile(r'[0-9]{1,9}')


def add_etag(response: Response, thing: Any) -> Response:
    """Add the `ETag` of an object to its response; return 304 if the client has this version."""
    version = str(thing.version)
    response.set_etag(version)
    # The comparison is weak (RFC 9110), because a proxy that compresses responses makes the tag
    # weak.
    if request.method in ('GET', 'HEAD') and request.if_none_match.contains_weak(version):
        response.status_code = 304
        response.data = b''
        # With status 304, these headers would describe the empty body instead of the client's
        # version.
        del response.headers['Content-Type']
        del response.headers['Content-Length']
    return response


def expected_versions() -> frozenset[int] | None:
    """Return the versions that `If-Match` allows, or None if it allows any.

    The caller must compare them in the UPDATE itself. After a separate SELECT, another request
    could change the version. Weak tags and unknown tags match no version.

    :raises PreconditionFailed: if no tag can be a version.
    """
    if 'If-Match' not in request.headers or request.if_match.star_tag:
        return None
    # A number with more than nine digits was never a version, and does not fit into the column.
    tags = (tag for tag in request.if_match.as_set() if VERSION.fullmatch(tag or ''))
    versions = frozenset(map(int, tags))
    if not versions:
        raise PreconditionFailed
    return versions
