"""The condition of a write on the current version of its object (`If-Match`, `If-None-Match`)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from sqlalchemy import ColumnElement, and_, false, true

# A number with more than nine digits was never a version, and does not fit into the column.
VERSION_PATTERN = re.compile(r'0|[1-9][0-9]{0,8}', re.ASCII)


@dataclass(frozen=True, slots=True)
class Precondition:
    """Which ETags the object may have before the write (RFC 9110 §13.1.1, §13.1.2).

    Compare it in the UPDATE or DELETE itself, with `on`. After a separate SELECT, another request
    could change the object.

    :param must_exist: whether an object must exist (`If-Match`).
    :param accepted: the ETags of which it must have one; None for any.
    :param must_not_exist: whether no object may exist (`If-None-Match: *`).
    :param excluded: the ETags that it must not have (`If-None-Match`).
    """

    must_exist: bool = False
    accepted: frozenset[str] | None = None
    must_not_exist: bool = False
    excluded: frozenset[str] = frozenset()

    def on(self, column: Any, *, prefix: str = '', suffix: str = '') -> ColumnElement[bool]:
        """Return the SQL condition on the column that distinguishes the ETags of an object.

        :param column: a column with version numbers (an integer), or with whole ETags (a text).
        :param prefix, suffix: the parts of the ETag around the value of the column.
        """
        if self.must_not_exist:
            return false()
        accepted, excluded = (
            _values(etags or (), prefix, suffix, is_number=column.type.python_type is int)
            for etags in (self.accepted, self.excluded)
        )
        condition: ColumnElement[bool] = true()
        if self.accepted is not None:
            condition = and_(condition, column.in_(accepted))
        return and_(condition, column.not_in(excluded)) if excluded else condition

    def allows(self, etag: str | None) -> bool:
        """Return whether an object with this ETag, or None for no object, meets the condition.

        For objects that the transaction has locked, or that it would create.
        """
        if etag is None:
            return not self.must_exist
        is_accepted = self.accepted is None or etag in self.accepted
        return is_accepted and not self.must_not_exist and etag not in self.excluded


#: The condition of a write without these headers, and of commands: any version, or none.
ANY_VERSION = Precondition()


def digest_of(words: Iterable[str]) -> str:
    """Return a short hash of words without spaces, for an ETag that must change with them."""
    return blake2b(' '.join(sorted(words)).encode(), digest_size=8).hexdigest()


def _values(etags: Iterable[str], prefix: str, suffix: str, *, is_number: bool) -> list[Any]:
    """Return the values of the column in these ETags, sorted; ETags of another form have none."""
    form = re.compile(f'{re.escape(prefix)}(.*){re.escape(suffix)}')
    found = sorted(match[1] for etag in etags if (match := form.fullmatch(etag)))
    if not is_number:
        return found
    return [int(text) for text in found if VERSION_PATTERN.fullmatch(text)]
