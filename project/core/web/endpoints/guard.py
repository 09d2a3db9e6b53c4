"""The guard: it authenticates and authorizes each request, by the `EndpointSpec` of its route.

A request to a route without a spec is denied. The application factory passes the functions that
identify the user of a bearer token. So the guard protects all features without importing `auth`.
"""

from collections.abc import Callable
from functools import partial

from flask import Flask, current_app, g, request
from werkzeug.exceptions import NotFound as NoSuchUrl

from project.core.app_values import AppValue
from project.core.database.session import LOCK_USERS, authorize_transactions
from project.core.errors import (
    ApiError,
    BadRequest,
    Forbidden,
    ReauthenticationRequired,
    Unauthorized,
)
from project.core.security.authentication import Authentication
from project.core.security.principal import Principal
from project.core.web.requests.content_codings import reject_content_coding
from project.core.web.requests.parsing import CLAIM_BODY, receive_json
from project.core.web.responses.etags import reject_if_match

from .access import (
    Access,
    NotOwner,
    ScopeMissing,
    current_or_none,
    current_principal,
    set_current,
)
from .endpoint_spec import (
    ENDPOINT_SPECS,
    EndpointSpec,
    collect_endpoint_specs,
    max_body_bytes,
)
from .rate_limits import enforce_rate_limit

IDENTIFY: AppValue[Callable[[str], Principal | None]] = AppValue('identify')
RELOAD_PRINCIPAL: AppValue[Callable[[Principal], Principal | None]] = AppValue('reload_principal')


def init_app(app: Flask, authentication: Authentication) -> None:
    """Run the guard before each request."""
    IDENTIFY.set(app, authentication.identify)
    RELOAD_PRINCIPAL.set(app, authentication.reload_principal)
    LOCK_USERS.set(app, authentication.lock_users)
    app.before_request(guard)


def validate_routes(app: Flask) -> None:
    """Collect the specs of all routes. Call it after all routes are registered.

    :raises UndeclaredRoute: if routes have no spec or do not fit it.
    """
    ENDPOINT_SPECS.set(app, collect_endpoint_specs(app))


def guard() -> None:
    """Authenticate and authorize the request, now and again in each of its transactions.

    A JSON body is received completely before the authorization. So a client that sends it slowly
    cannot use permissions that it loses in the meantime. A body that the handler reads as a stream
    is not received first; the check in each transaction protects such a request.

    :raises ApiError: if the caller may not call this route, if a PUT has only a part of its body,
        or if a write has a precondition that cannot be true.
    """
    if request.url_rule is None:  # An error handler returns 404 or 405.
        return
    if '\0' in request.path:
        raise NoSuchUrl
    spec = _endpoint_spec()
    if spec is None:
        return
    g.endpoint_spec = spec
    request.max_content_length = max_body_bytes(spec, current_app.config)
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
    if spec.reads_body:
        reject_content_coding()
    if spec.allow.kind != 'public':
        authorize_transactions(current_principal().user_id, partial(reauthorize, spec.allow))
    if request.method == 'PUT' and 'Content-Range' in request.headers:
        # The body is only a part: the service would store it as the whole (RFC 9110 §14.5).
        raise BadRequest('PUT with Content-Range is not supported: send the whole content')
    if spec.rejects_if_match(request.method):
        reject_if_match()


def authenticate() -> Principal:
    """Return the principal of the bearer token (RFC 6750).

    :raises Unauthorized: if there is no token, or it does not belong to an active user.
    """
    credentials = request.authorization
    if credentials is None or credentials.type != 'bearer' or not credentials.token:
        raise Unauthorized
    principal = IDENTIFY.get()(credentials.token)
    if principal is None:
        raise Unauthorized(error='invalid_token')
    return principal


def reauthorize(allow: Access) -> None:
    """Repeat the authorization of the request at the beginning of a transaction.

    :raises Unauthorized: if the credential was revoked or the user was disabled in the meantime.
    :raises Forbidden: if the credential has lost a permission in the meantime.
    """
    was = current_principal()
    principal = RELOAD_PRINCIPAL.get()(was)
    if principal is None:
        raise Unauthorized(error='invalid_token')
    authorize(allow, principal)
    # Services check the permissions of the principal from the first authorization. So no permission
    # may be missing now.
    if not principal.permissions >= was.permissions:
        raise Forbidden


def authorize(allow: Access, principal: Principal) -> None:
    """Ensure that a principal may call a route with this access rule.

    :raises ApiError: if a scope, a permission or a fresh login is missing.
    """
    view_args = request.view_args or {}
    if allow.own and view_args[allow.own] != principal.user_id:
        _require(principal, allow.permission, NotOwner)
    elif not principal.has_scope(allow.scope):
        raise ScopeMissing(allow.scope)
    elif not allow.own:
        _require(principal, allow.permission, Forbidden)
    if allow.fresh and not principal.is_fresh():
        raise ReauthenticationRequired


def _require(principal: Principal, permission: str | None, error: type[ApiError]) -> None:
    if permission and permission not in principal.permissions_ignoring_scopes:
        raise error
    if permission and not principal.has_permission(permission):
        raise ScopeMissing(permission)


def _endpoint_spec() -> EndpointSpec | None:
    spec = ENDPOINT_SPECS.get().get((str(request.endpoint), request.method))
    if spec is None and request.method != 'OPTIONS':
        # This route has no spec, because it was registered after `validate_routes`: deny the
        # request.
        raise Forbidden
    return spec
