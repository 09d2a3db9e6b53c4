"""Who is asking, as everything behind the guard sees it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import current_app

from project.core.clock import now


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking. Features see this and never a row.

    :param session_id: the session, or None where it is an API key that asks.
    :param user: who it is as just read, for what shows the asker to the asker.
    :param scopes: what an API key was given; None where it is a session, which has no limits.
    :param authenticated_at: when a password (or a factor) was last shown.
    """

    user_id: int
    username: str
    permissions: frozenset[str]
    session_id: UUID | None
    authenticated_at: datetime
    user: Any = None
    scopes: frozenset[str] | None = None

    def has_permission(self, permission: str) -> bool:
        """Tell whether a permission is held, and within the scopes."""
        return permission in self.permissions and self.has_scope(permission)

    def has_scope(self, scope: str | None) -> bool:
        """Tell whether a scope is held. What names no scope is for sessions only."""
        return self.scopes is None or scope in self.scopes

    def is_fresh(self) -> bool:
        """Tell whether the login is recent enough for what asks for a fresh one."""
        return bool(now() - self.authenticated_at <= current_app.config['FRESH_FOR'])
