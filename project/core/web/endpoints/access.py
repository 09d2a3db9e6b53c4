"""Access rules of routes, and the principal of the current request."""

from dataclasses import dataclass
from typing import Literal

from flask import g

from project.core.errors import Forbidden, NotFound, bearer_challenge
from project.core.security.principal import Principal


class ScopeMissing(Forbidden):
    """The API key does not have the permission that the route requires among its scopes."""

    field, reason = 'scope', 'This API key does not have the required scope'

    def __init__(self, scope: str | None = None):
        # `scope` is None if the route accepts no API keys.
        parameters = {'scope': scope} if scope else {}
        super().__init__(headers=bearer_challenge('insufficient_scope', **parameters))


class NotOwner(NotFound):
    """The resource belongs to another user. The response is the same as if it did not exist."""

    field, reason = 'user', 'No such user'


@dataclass(frozen=True, slots=True)
class Access:
    """The access rule of a route: which callers it accepts.

    :param kind: `public`; `member`, for any logged-in user; or `permission`.
    :param permission: the required permission; with `own`, only for resources of other users.
    :param scope: the scope that an API key must have; None if API keys are not accepted.
    :param own: the URL argument with the id of the user who owns the resource. This user needs no
        permission.
    :param fresh: whether the login must be recent.
    """

    kind: Literal['public', 'member', 'permission']
    permission: str | None = None
    scope: str | None = None
    own: str | None = None
    fresh: bool = False


public = Access('public')


def authenticated(scope: str | None = None, *, fresh: bool = False) -> Access:
    """Return the rule for any logged-in user. API keys need the scope, or are not accepted."""
    return Access('member', scope=scope, fresh=fresh)


def requires(permission: str, *, fresh: bool = False) -> Access:
    """Return the rule for users with a permission. API keys also need it as a scope."""
    return Access('permission', permission, scope=permission, fresh=fresh)


def owner_or(permission: str, *, scope: str, own: str = 'user_id') -> Access:
    """Return the rule for the user in the URL, and for users with a permission.

    All others get 404.
    """
    return Access('permission', permission, scope=scope, own=own)


def current_principal() -> Principal:
    """Return the caller of the request. Call it only in routes that are not public."""
    principal: Principal = g.principal
    return principal


def set_current(principal: Principal) -> None:
    """Set the caller of the request. Only the guard calls this."""
    g.principal = principal


def current_or_none() -> Principal | None:
    """Return the caller of the request, or None if it was not authenticated."""
    principal: Principal | None = g.get('principal')
    return principal
