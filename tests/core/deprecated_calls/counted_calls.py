"""Calls of a deprecated route, and the rows with their numbers."""

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import select

from project.core.database.session import db
from project.core.deprecated_calls.rows import Call, DeprecatedCall

TODAY = date(2026, 11, 29)
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


def call(user_id: int = 5, agent: str = 'curl', **changes: Any) -> Call:
    """Return the key of a count of `GET /old` on one day."""
    return Call('GET /old', TODAY, user_id, '', agent)._replace(**changes)


def rows() -> dict[tuple[int, str], int]:
    """Return the number of requests by user and agent."""
    found = db.session.execute(select(DeprecatedCall))
    return {(row.user_id, row.agent): row.requests for row in found.scalars()}
