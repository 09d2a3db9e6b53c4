"""The clock. One, so that every moment is aware and in UTC, and looks alike as text."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """Return a moment as text, in UTC: `2026-11-23T08:30:00Z` (RFC 3339)."""
    return moment.astimezone(UTC).isoformat().replace('+00:00', 'Z')
