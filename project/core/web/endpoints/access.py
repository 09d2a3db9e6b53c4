"""Access rules of routes, and the principal of the current request."""

from dataclasses import dataclass
from typing import Literal

from flask import g

from project.core.errors import Forbidden, NotFound
from project.core.security.principal import Principal


class ScopeMissing(Forbidden):
    """The API key does not have the scope that the route requires."""

    field, reason = 'scope', 'This API key does not have the required scope'


class NotOwner(NotFound):
    """The resource belongs to another user. The response is the same as for a missing one."""

    field, reason = 'user', 'No such user'


@dataclass(frozen=True, slots=True)
class Access:
    """The access rule of a route.

    :param kind: `public`; `member`, for any logged-in user; or `permission`.
    :param permission: the required permission; with `own`, only for resources of other users.
    :param scope: the scope that an API key must have; None if the route is for sessions only.
    :param own: the URL argument with the id of a user. This user needs no permission.
    :param fresh: whether the login must be recent.
    """

    kind: Literal['public', 'member', 'permission']
    permission: str | None = None
    scope: str | None = None
    own: str | None = None
    fresh: bool = False


public = Access('public')


def authenticated(scope: str | None = None, *, fresh: bool = False) -> Access:
    """Allow any logged-in user."""
    return Access('member', scope=scope, fresh=fresh)


def requires(permission: str, *, fresh: bool = False) -> Access:
    """Allow users with a permission. API keys also need it as a scope."""
    return Access('permission', permission, scope=permission, fresh=fresh)


def owner_or(permission: str, *, scope: str, own: str = 'user_id') -> Access:
    """Allow the user in the URL, and users with a permission. All others get 404."""
    return Access('permission', permission, scope=scope, own=own)


def current_principal() -> Principal:
    """Return the caller of the request. Only for routes that are not public."""
    principal: Principal = g.principal
    return principal


def set_current(principal: Principal) -> None:
    """Set the caller of the request. Only the guard calls this."""
    g.principal = principal


def current_or_none() -> Principal | None:
    """Return the caller of the request, or None if it was not authenticated."""
    principal: Principal | None = g.get('principal')
    return principal
