"""Preconditions of reads (RFC 9110 §13): one function for all responses with an ETag or a date.

Those of writes are a value, `Precondition`, which the statement that writes compares.
"""

import re
from datetime import UTC, datetime
from enum import Enum
from typing import NamedTuple, Self

from flask import Response, request

from project.core.errors import PreconditionFailed

SAFE_METHODS = ('GET', 'HEAD')

# An element of a list of entity tags. Commas may be part of a tag. Elements of another form are
# ignored, as RFC 9110 allows for invalid fields.
ENTITY_TAG_PATTERN = re.compile(
    r'(?:^|,)[ \t]*(?P<weak>W/)?"(?P<tag>[\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?=,|$)'
)

# The formats of RFC 9110 §5.6.7: IMF-fixdate, RFC 850 and asctime.
HTTP_DATE_FORMATS = (
    '%a, %d %b %Y %H:%M:%S GMT',
    '%A, %d-%b-%y %H:%M:%S GMT',
    '%a %b %d %H:%M:%S %Y',
)

# Headers that describe the content. A 304 without content does not have them (RFC 9110 §15.4.5).
CONTENT_HEADERS = ('Content-Type', 'Content-Length', 'Content-Disposition', 'Repr-Digest')


class Outcome(Enum):
    """The decision on a request whose preconditions do not reject it."""

    SEND = 'send the content, or the requested ranges of it'
    SEND_WHOLE = 'ignore the header Range'
    NOT_MODIFIED = 'return 304'


class EntityTags(NamedTuple):
    """The value of `If-Match` or `If-None-Match`."""

    is_any: bool
    strong: frozenset[str]
    weak: frozenset[str]

    @classmethod
    def of_request(cls, header: str) -> Self | None:
        """Return the value of a request header, or None if the request does not have it."""
        value = request.headers.get(header)
        if value is None:
            return None
        found = list(ENTITY_TAG_PATTERN.finditer(value))
        strong = frozenset(match['tag'] for match in found if not match['weak'])
        weak = frozenset(match['tag'] for match in found if match['weak'])
        return cls(value.strip() == '*', strong, weak)


def evaluate_preconditions(etag: str, last_modified: datetime | None = None) -> Outcome:
    """Decide how to respond to a GET or HEAD, in the order of RFC 9110 §13.2.2.

    Call it for a request that would succeed without preconditions, before anything is sent.

    :param etag: the strong ETag of the current content, without quotation marks.
    :param last_modified: when the content was modified; without it, dates are ignored.
    :raises PreconditionFailed: if `If-Match` or `If-Unmodified-Since` is false.
    """
    modified = last_modified and last_modified.replace(microsecond=0)
    if (accepted := EntityTags.of_request('If-Match')) is not None:
        # The comparison is strong, so weak tags match nothing.
        if not accepted.is_any and etag not in accepted.strong:
            raise PreconditionFailed
    elif _is_later(modified, _date('If-Unmodified-Since')):
        raise PreconditionFailed
    if (known := EntityTags.of_request('If-None-Match')) is not None:
        # The comparison is weak, because a proxy that compresses responses makes the tag weak.
        if known.is_any or etag in known.strong | known.weak:
            return Outcome.NOT_MODIFIED
    elif modified and (since := _date('If-Modified-Since')) and modified <= since:
        return Outcome.NOT_MODIFIED
    return Outcome.SEND if _allows_ranges(etag) else Outcome.SEND_WHOLE


def not_modified(response: Response) -> Response:
    """Change a response to 304, which has no content. Its ETag and its cache policy stay."""
    response.status_code = 304
    response.response = []
    for name in CONTENT_HEADERS:
        response.headers.pop(name, None)
    return response


def parse_http_date(text: str) -> datetime | None:
    """Return the moment of an HTTP date (RFC 9110 §5.6.7), or None if it is invalid."""
    for form in HTTP_DATE_FORMATS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def _date(header: str) -> datetime | None:
    value = request.headers.get(header)
    return parse_http_date(value) if value else None


def _is_later(modified: datetime | None, limit: datetime | None) -> bool:
    return modified is not None and limit is not None and modified > limit


def _allows_ranges(etag: str) -> bool:
    """Return whether `If-Range` allows to send a part.

    A weak tag does not prove that the client's part belongs to this content. A date does not,
    either: content can change twice in a second, so dates are no strong validators (§8.8.2.2).
    """
    return request.headers.get('If-Range', f'"{etag}"').strip() == f'"{etag}"'
