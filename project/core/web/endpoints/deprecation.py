"""`Deprecation`, a part of an endpoint's declaration."""

from dataclasses import dataclass
from datetime import date, timedelta

# Teams plan their work by the quarter, so each client has a planning and a release in this time.
MIN_NOTICE = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deprecation:
    """The dates of a deprecated endpoint, and the endpoint that replaces it.

    :param since: the day from which the endpoint is deprecated. Clients should change.
    :param sunset: the day from which the endpoint may be removed; at least `MIN_NOTICE` after
        `since`.
    :param successor: the Flask endpoint to use instead, such as `api_v1.files.file`. Its URL must
        have no argument that the deprecated URL lacks. None if there is no such endpoint.
    """

    since: date
    sunset: date
    successor: str | None = None
