"""`ETag`, `If-Match`, `If-None-Match` (RFC 9110) for things that have a version column."""

import re
from typing import Any

from flask import Response, request

from project.core.errors import PreconditionFailed

VERSION = re.compile(r'[0-9]{1,9}')


def add_etag(response: Response, thing: Any) -> Response:
    """Say the version of what is answered; to a reader who has it already, say just that (304)."""
    version = str(thing.version)
    response.set_etag(version)
    # Compared weakly (RFC 9110): a proxy that compresses makes our tag a weak one.
    if request.method in ('GET', 'HEAD') and request.if_none_match.contains_weak(version):
        response.status_code = 304
        response.data = b''
        # They would describe the empty body, not what the reader has.
        del response.headers['Content-Type']
        del response.headers['Content-Length']
    return response


def expected_versions() -> frozenset[int] | None:
    """Return the versions `If-Match` allows, or None where it allows any.

    The comparison is the UPDATE's own business, so that nothing can come between. Weak tags and
    tags that are not ours match nothing.
    """
    if 'If-Match' not in request.headers or request.if_match.star_tag:
        return None
    # Nine digits at most: what is longer was never a version, and would not fit the column.
    tags = (tag for tag in request.if_match.as_set() if VERSION.fullmatch(tag or ''))
    versions = frozenset(map(int, tags))
    if not versions:
        raise PreconditionFailed
    return versions
