"""The guard: authentication and authorization of every request by its endpoint's spec.

A request to a route without a spec is denied. The core does not know how a bearer token identifies
a user. The factory connects the feature that does, so that every feature is guarded and none
imports `auth`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from flask import Flask, current_app, g, request
from werkzeug.exceptions import NotFound as NoSuchUrl

from project.core.database.session import authorize_transactions
from project.core.errors import ApiError, Forbidden, ReauthenticationRequired, Unauthorized
from project.core.security.principal import Principal
from project.core.web.requests.parsing import CLAIM_BODY, receive_json

from .access import (
    Access,
    NotOwner,
    ScopeMissing,
    current_or_none,
    current_principal,
    set_current,
)
from .endpoint_spec import EndpointSpec, collect_endpoint_specs
from .rate_limits import enforce_rate_limit

# Return the principal of a bearer token, or None.
Identify: TypeAlias = Callable[[str], Principal | None]
# Return a principal as it is at this moment, or None if its credential or its user is gone.
Reload: TypeAlias = Callable[[Principal], Principal | None]
# Lock users until the transaction ends, in the given order of their ids.
LockUsers: TypeAlias = Callable[[Sequence[int]], None]

# What a multipart form may add around its file.
FORM_OVERHEAD_BYTES = 64 * 1024


def init_app(app: Flask, identify: Identify, reload: Reload, lock_users: LockUsers) -> None:
    """Guard every route, with what the features above provide."""
    app.extensions |= {
        'identify': identify,
        'reload_principal': reload,
        'lock_users': lock_users,
    }
    app.before_request(guard)


def validate_routes(app: Flask) -> None:
    """Read every route's spec, once all are there; refuses with UndeclaredRoute."""
    app.extensions['endpoint_specs'] = collect_endpoint_specs(app)


def guard() -> None:
    """Authenticate and authorize the request, now and in each of its transactions.

    A JSON body is received before: a client that sends it slowly cannot keep rights that it loses
    in the meantime. Bodies that are streamed are authorized now and when they are committed.

    :raises ApiError: if the caller may not call this route.
    """
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
    if spec.body:
        receive_json()
    if spec.allow.kind != 'public':
        set_current(authenticate())
        if claim_body := request.environ.get(CLAIM_BODY):
            claim_body(current_principal().user_id)
    if spec.limit:
        enforce_rate_limit(spec.limit, str(request.endpoint), current_or_none())
    if spec.allow.kind != 'public':
        authorize(spec.allow, current_principal())
        authorize_transactions(current_principal().user_id, partial(reauthorize, spec.allow))


def authenticate() -> Principal:
    """Return the principal of the bearer token (RFC 6750).

    :raises Unauthorized: if there is no token, or it identifies no active user.
    """
    credentials = request.authorization
    if credentials is None or credentials.type != 'bearer' or not credentials.token:
        raise Unauthorized
    identify: Identify = current_app.extensions['identify']
    principal = identify(credentials.token)
    if principal is None:
        raise Unauthorized
    return principal


def reauthorize(allow: Access) -> None:
    """Authorize the request again, inside the transaction that is about to act.

    :raises Unauthorized: if the credential was revoked or the user disabled in the meantime.
    :raises Forbidden: if the credential has lost a permission since then.
    """
    was = current_principal()
    reload: Reload = current_app.extensions['reload_principal']
    principal = reload(was)
    if principal is None:
        raise Unauthorized
    authorize(allow, principal)
    # Services decide by the permissions that they were given with the principal.
    if not principal.permissions >= was.permissions:
        raise Forbidden


def authorize(allow: Access, principal: Principal) -> None:
    """Ensure that a principal may call a route with this access.

    :raises ApiError: if a scope, a permission or a fresh login is missing.
    """
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
    if permission and permission not in principal.permissions_ignoring_scopes:
        raise error
    if permission and not principal.has_permission(permission):
        raise ScopeMissing


def _endpoint_spec() -> EndpointSpec | None:
    known: dict[tuple[str, str], EndpointSpec] = current_app.extensions['endpoint_specs']
    spec = known.get((str(request.endpoint), request.method))
    if spec is None and request.method != 'OPTIONS':
        # Added after the start: it has never been asked what it allows.
        raise Forbidden
    return spec
