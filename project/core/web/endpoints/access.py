"""Who may call: what a route declares, and where the guard leaves who is calling."""

from dataclasses import dataclass
from typing import Literal

from flask import g

from project.core.errors import Forbidden, NotFound
from project.core.security.principal import Principal


class ScopeMissing(Forbidden):
    """The API key was not given what this route asks for."""

    field, reason = 'scope', 'Not in the scope of this key'


class NotOwner(NotFound):
    """It belongs to somebody else, and looks like what does not exist."""

    field, reason = 'user', 'No such user'


@dataclass(frozen=True, slots=True)
class Access:
    """What a route asks of its caller.

    :param permission: what they must hold; with `own`, only where the thing is not their own.
    :param scope: what an API key must have been given; without one the route is for sessions only.
    :param own: the part of the URL that names a user, who may always call it.
    :param fresh: whether the login must be recent.
    """

    kind: Literal['public', 'member', 'permission']
    permission: str | None = None
    scope: str | None = None
    own: str | None = None
    fresh: bool = False


public = Access('public')


def authenticated(scope: str | None = None, *, fresh: bool = False) -> Access:
    """Whoever is logged in."""
    return Access('member', scope=scope, fresh=fresh)


def requires(permission: str, *, fresh: bool = False) -> Access:
    """Whoever holds a permission; API keys need it as a scope."""
    return Access('permission', permission, scope=permission, fresh=fresh)


def owner_or(permission: str, *, scope: str, own: str = 'user_id') -> Access:
    """The user that the URL names, or whoever holds a permission; for others it does not exist."""
    return Access('permission', permission, scope=scope, own=own)


def current_principal() -> Principal:
    """Return who is asking; only behind a route that is not public."""
    principal: Principal = g.principal
    return principal


def set_current(principal: Principal) -> None:
    """Say who is asking. The guard does."""
    g.principal = principal


def current_or_none() -> Principal | None:
    """Return who is asking, or None where nobody had to say."""
    principal: Principal | None = g.get('principal')
    return principal
