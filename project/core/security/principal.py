"""The authenticated caller of a request."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import current_app

from project.core.clock import is_recent


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of a request: the user, and the permissions of the session or API key.

    :param permissions: the permissions of the user. After the creation, this attribute contains
        only those that the credential has: for an API key, the permissions that are among its
        scopes.
    :param session_id: the session, or None for an API key.
    :param authenticated_at: when the password or a second factor was last verified.
    :param user: the row of the user that the guard has read, for routes that return it.
    :param scopes: the scopes of an API key; None for a session, which is not limited.
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
    # The permissions of the user, for the guard only. It must distinguish a missing scope of the
    # API key from a missing permission of the user.
    permissions_ignoring_scopes: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Remove the permissions that are not among the scopes."""
        object.__setattr__(self, 'permissions_ignoring_scopes', self.permissions)
        if self.scopes is not None:
            object.__setattr__(self, 'permissions', self.permissions & self.scopes)

    def has_permission(self, permission: str) -> bool:
        """Return whether the credential has a permission."""
        return permission in self.permissions

    def has_scope(self, scope: str | None) -> bool:
        """Return whether the credential has a scope.

        :param scope: the scope of a route; None if the route is for sessions only.
        """
        return self.scopes is None or scope in self.scopes

    def is_fresh(self) -> bool:
        """Return whether the login is recent enough for routes that require a recent login."""
        return is_recent(self.authenticated_at, current_app.config['FRESH_FOR'])
