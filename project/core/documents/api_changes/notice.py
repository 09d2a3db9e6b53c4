"""The time that clients have between the release that deprecates an operation and its sunset."""

from collections.abc import Iterator
from datetime import date

from project.core.web.endpoints.deprecation import MIN_NOTICE

from .operations import sunset_of
from .schema_values import Document


def short_notices(base: Document | None, document: Document, today: date) -> Iterator[str]:
    """Yield a line for each new deprecation whose sunset date is less than `MIN_NOTICE` away.

    The declared start of a deprecation can be long before the release from which clients learn it.

    :param base: the document of the newest release, whose deprecations clients know; None if there
        is no release.
    :param today: the day of the new release.
    """
    known = _sunsets(base) if base else {}
    earliest = today + MIN_NOTICE
    for route, sunset in _sunsets(document).items():
        if route not in known and sunset < earliest:
            yield (
                f'{route} is deprecated since this release, but its sunset {sunset} is less than '
                f'{MIN_NOTICE.days} days away: at the earliest {earliest}'
            )


def _sunsets(document: Document) -> dict[str, date]:
    """Return the sunset date of each deprecated operation, such as `GET /api/v1/files`."""
    return {
        f'{method.upper()} {path}': sunset
        for path, operations in document['paths'].items()
        for method, operation in operations.items()
        if isinstance(operation, dict) and (sunset := sunset_of(operation))
    }
