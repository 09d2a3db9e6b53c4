"""The guard: asked before every request, by the route's own declaration, and closed by default.

The kernel knows that a bearer token names somebody; it does not know how. The factory plugs in the
feature that does, so every feature is guarded and none imports `auth`.
"""

from collections.abc import Callable
from typing import TypeAlias

from flask import Flask, current_app, g, request
from werkzeug.exceptions import NotFound as NoSuchUrl

from project.core.errors import Fail, Forbidden, Unauthorized
from project.core.security.principal import Principal

from .access import Access, NotFresh, NotYours, ScopeMissing, current, current_or_none, set_current
from .endpoint_spec import Contract, contracts
from .rate_limits import count_request

Identify: TypeAlias = Callable[[str], Principal | None]

# What a multipart form may add around its file.
FORM_OVERHEAD = 64 * 1024


def init_app(app: Flask, identify: Identify) -> None:
    """Plug in `identify(token)`, which returns a principal or None, and close every route."""
    app.extensions['identify'] = identify
    app.before_request(guard)


def close(app: Flask) -> None:
    """Read every route's contract, once all are there; refuses with UndeclaredRoute."""
    app.extensions['contracts'] = contracts(app)


def guard() -> None:
    """Refuse whoever may not call this route."""
    if request.url_rule is None:  # An error handler answers, with 404 or 405.
        return
    if '\0' in request.path:
        raise NoSuchUrl
    contract = _contract()
    if contract is None:
        return
    g.contract = contract
    if contract.largest:
        request.max_content_length = current_app.config[contract.largest] + FORM_OVERHEAD
    if contract.allow.kind != 'public':
        set_current(authenticate())
    if contract.limit:
        count_request(contract.limit, str(request.endpoint), current_or_none())
    if contract.allow.kind != 'public':
        authorize(contract.allow, current())


def authenticate() -> Principal:
    """Return who the bearer token names, or refuse with Unauthorized (RFC 6750)."""
    credentials = request.authorization
    if credentials is None or credentials.type != 'bearer' or not credentials.token:
        raise Unauthorized
    identify: Identify = current_app.extensions['identify']
    principal = identify(credentials.token)
    if principal is None:
        raise Unauthorized
    return principal


def authorize(allow: Access, principal: Principal) -> None:
    """Refuse a principal whom the declaration does not allow."""
    view_args = request.view_args or {}
    if allow.own and view_args[allow.own] != principal.user_id:
        _require(principal, allow.permission, NotYours)
    elif not principal.in_scope(allow.scope):
        raise ScopeMissing
    elif not allow.own:
        _require(principal, allow.permission, Forbidden)
    if allow.fresh and not principal.is_fresh():
        raise NotFresh


def _require(principal: Principal, permission: str | None, refusal: type[Fail]) -> None:
    if permission and permission not in principal.permissions:
        raise refusal
    if permission and not principal.in_scope(permission):
        raise ScopeMissing


def _contract() -> Contract | None:
    known: dict[tuple[str, str], Contract] = current_app.extensions['contracts']
    contract = known.get((str(request.endpoint), request.method))
    if contract is None and request.method != 'OPTIONS':
        # Added after the start: it has never been asked what it allows.
        raise Forbidden
    return contract
