"""The current time, and its text format: RFC 3339, timezone-aware, in UTC."""

import re
from datetime import UTC, datetime, timedelta

# The maximum of all durations. Any shorter one can be added to, or subtracted from, a moment that a
# client sends.
MAX_LIFETIME = timedelta(days=36_500)

# The largest difference between the clocks of two machines of the service.
MAX_CLOCK_SKEW = timedelta(seconds=2)

# Limits of the moments that clients may send. Even after adding or subtracting `MAX_LIFETIME` and
# any UTC offset, the result is within the range of `datetime`.
EARLIEST_MOMENT = datetime(101, 1, 1, tzinfo=UTC)
LATEST_MOMENT = datetime(9899, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)

# `date-time` of RFC 3339, section 5.6, except leap seconds, which `datetime` cannot represent.
RFC3339_PATTERN = re.compile(
    r'([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]'
    r'((?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])'
    r'(?:\.([0-9]+))?'
    r'([Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])'
)


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def recent_window(period: timedelta) -> tuple[datetime, datetime]:
    """Return the first and last moment of the latest `period`, for comparison with stored moments.

    The last moment is `MAX_CLOCK_SKEW` after now, because the clocks of two machines may differ by
    that much. A stored moment after it comes from a machine with a wrong clock, and is not recent.

    :param period: the length of the period before now.
    """
    moment = now()
    return moment - period, moment + MAX_CLOCK_SKEW


def is_recent(moment: datetime, period: timedelta) -> bool:
    """Return whether a moment is within the last `period`, and not in the future."""
    first, last = recent_window(period)
    return first < moment <= last


def rfc3339(moment: datetime) -> str:
    """Return a moment as text, in UTC: `2026-11-23T08:30:00Z` (RFC 3339)."""
    return moment.astimezone(UTC).isoformat().replace('+00:00', 'Z')


def parse_rfc3339(text: str) -> datetime:
    """Return the moment of a text in the format of RFC 3339, converted to UTC.

    Fractional digits of a second after the sixth are ignored.

    :raises ValueError: if the text has another form, or the moment is not between `EARLIEST_MOMENT`
        and `LATEST_MOMENT`.
    """
    match = RFC3339_PATTERN.fullmatch(text)
    if match is None:
        raise ValueError('not a date-time of RFC 3339')
    date, time, fraction, offset = match.groups()
    microseconds = (fraction or '')[:6].ljust(6, '0')
    offset = '+00:00' if offset in ('Z', 'z') else offset
    local = datetime.fromisoformat(f'{date}T{time}.{microseconds}{offset}')
    # Compare before the conversion to UTC, because the conversion overflows at both ends of the
    # range of `datetime`.
    if not EARLIEST_MOMENT <= local <= LATEST_MOMENT:
        raise ValueError('too early or too late')
    return local.astimezone(UTC)
