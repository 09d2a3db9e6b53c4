"""The guard: asked before every request, by the route's own declaration, and closed by default.

The kernel knows that a bearer token names somebody; it does not know how. The factory plugs in the
feature that does, so every feature is guarded and none imports `auth`.
"""

from collections.abc import Callable
from typing import TypeAlias

from flask import Flask, current_app, g, request
from werkzeug.exceptions import NotFound as NoSuchUrl

from project.core.errors import ApiError, Forbidden, Unauthorized
from project.core.security.principal import Principal

from .access import (
    Access,
    NotOwner,
    ReauthenticationRequired,
    ScopeMissing,
    current_or_none,
    current_principal,
    set_current,
)
from .endpoint_spec import EndpointSpec, collect_endpoint_specs
from .rate_limits import enforce_rate_limit

Identify: TypeAlias = Callable[[str], Principal | None]

# What a multipart form may add around its file.
FORM_OVERHEAD_BYTES = 64 * 1024


def init_app(app: Flask, identify: Identify) -> None:
    """Plug in `identify(token)`, which returns a principal or None, and close every route."""
    app.extensions['identify'] = identify
    app.before_request(guard)


def validate_routes(app: Flask) -> None:
    """Read every route's spec, once all are there; refuses with UndeclaredRoute."""
    app.extensions['endpoint_specs'] = collect_endpoint_specs(app)


def guard() -> None:
    """Refuse whoever may not call this route."""
    if request.url_rule is None:  # An error handler answers, with 404 or 405.
        return
    if '\0' in request.path:
        raise NoSuchUrl
    spec = _endpoint_spec()
    if spec is None:
        return
    g.endpoint_spec = spec
    if spec.max_body_setting:
        request.max_content_length = current_app.config[spec.max_body_setting] + FORM_OVERHEAD_BYTES
    if spec.allow.kind != 'public':
        set_current(authenticate())
    if spec.limit:
        enforce_rate_limit(spec.limit, str(request.endpoint), current_or_none())
    if spec.allow.kind != 'public':
        authorize(spec.allow, current_principal())


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
        _require(principal, allow.permission, NotOwner)
    elif not principal.has_scope(allow.scope):
        raise ScopeMissing
    elif not allow.own:
        _require(principal, allow.permission, Forbidden)
    if allow.fresh and not principal.is_fresh():
        raise ReauthenticationRequired


def _require(principal: Principal, permission: str | None, error: type[ApiError]) -> None:
    if permission and permission not in principal.permissions:
        raise error
    if permission and not principal.has_scope(permission):
        raise ScopeMissing


def _endpoint_spec() -> EndpointSpec | None:
    known: dict[tuple[str, str], EndpointSpec] = current_app.extensions['endpoint_specs']
    spec = known.get((str(request.endpoint), request.method))
    if spec is None and request.method != 'OPTIONS':
        # Added after the start: it has never been asked what it allows.
        raise Forbidden
    return spec
