"""The authenticated caller of a request, as everything behind the guard sees it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import current_app

from project.core.clock import is_recent


@dataclass(frozen=True, slots=True)
class Principal:
    """The user of a request, and the permissions of its credential.

    :param permissions: the user's permissions. The attribute has the permissions of the
        *credential*: those of the user that are within the scopes of the API key.
    :param session_id: the session, or None for an API key.
    :param authenticated_at: when the password or a second factor was last verified.
    :param user: the row of the user as the guard read it, for routes that return it.
    :param scopes: the scopes of an API key; None for a session, which has no limits.
    :param key_id: the API key, or None for a session.
    """

    user_id: int
    username: str
    permissions: frozenset[str]
    session_id: UUID | None
    authenticated_at: datetime
    user: Any = None
    scopes: frozenset[str] | None = None
    key_id: UUID | None = None
    # Only for the guard, which distinguishes a missing scope from a missing permission.
    permissions_ignoring_scopes: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Limit the permissions to the scopes, so that no caller has to remember it."""
        object.__setattr__(self, 'permissions_ignoring_scopes', self.permissions)
        if self.scopes is not None:
            object.__setattr__(self, 'permissions', self.permissions & self.scopes)

    def has_permission(self, permission: str) -> bool:
        """Return whether the credential has a permission."""
        return permission in self.permissions

    def has_scope(self, scope: str | None) -> bool:
        """Return whether the credential has a scope. A route without a scope is for sessions."""
        return self.scopes is None or scope in self.scopes

    def is_fresh(self) -> bool:
        """Return whether the login is recent enough for a route that demands a fresh one."""
        return is_recent(self.authenticated_at, current_app.config['FRESH_FOR'])
