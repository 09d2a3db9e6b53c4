"""Headers of all responses: security headers and the request id."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import uuid4

from flask import Flask, Response, g, request
from secure import (
    CacheControl,
    ContentSecurityPolicy,
    CrossOriginOpenerPolicy,
    CrossOriginResourcePolicy,
    PermissionsPolicy,
    ReferrerPolicy,
    Secure,
    XContentTypeOptions,
    XDnsPrefetchControl,
    XFrameOptions,
    XPermittedCrossDomainPolicies,
)
from werkzeug.http import parse_set_header

from project.core.request_context import (
    RequestContext,
    current_request_context,
    set_request_context,
)
from project.core.web.requests.client_ip import client_ip

HeaderSet: TypeAlias = tuple[tuple[str, str], ...]

REQUEST_ID_PATTERN = re.compile(r'[A-Za-z0-9._-]{1,64}', re.ASCII)
# Headers of responses that pages of other origins may read, beside those that browsers always
# expose and those that endpoints declare.
EXPOSED_HEADERS = [
    'ETag', 'Link', 'Location', 'Retry-After', 'Content-Range', 'Content-Disposition',
    'X-Request-ID', 'RateLimit', 'RateLimit-Policy', 'Deprecation', 'Sunset', 'WWW-Authenticate',
    'Allow', 'Accept', 'Accept-Encoding', 'Accept-Patch', 'Accept-Ranges', 'Idempotency-Replayed',
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Header:
    """The description and JSON Schema of a request or response header, for OpenAPI."""

    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {'type': 'string'})
    required: bool = False


def security_headers(
    csp: ContentSecurityPolicy, *, cache: str, resources: str = 'same-origin'
) -> HeaderSet:
    """Return the security headers for one kind of routes. Call it once per kind.

    :param cache: `Cache-Control` of successful responses. Errors always have `no-store`.
    :param resources: the sites that may embed the response (`Cross-Origin-Resource-Policy`).
    """
    return Secure(
        cache=CacheControl().set(cache),
        coop=CrossOriginOpenerPolicy().same_origin(),
        corp=CrossOriginResourcePolicy().set(resources),
        csp=csp.base_uri("'none'").frame_ancestors("'none'").form_action("'none'"),
        permissions=PermissionsPolicy().geolocation().microphone().camera(),
        referrer=ReferrerPolicy().no_referrer(),
        xcto=XContentTypeOptions().nosniff(),
        xfo=XFrameOptions().deny(),
        xdfc=XDnsPrefetchControl().off(),
        xpcdp=XPermittedCrossDomainPolicies().none(),
    ).header_items()


NO_STORE = 'no-store'

#: Only responses over HTTPS have this header (RFC 6797, section 7.2).
HSTS = ('Strict-Transport-Security', 'max-age=63072000; includeSubDomains')

#: The default for all routes: a browser must neither store nor run nor embed the response.
API = security_headers(ContentSecurityPolicy().default_src("'none'"), cache=NO_STORE)

#: Content that users have uploaded. A browser must not run any of it (ASVS 3.2.1).
USER_CONTENT = security_headers(
    ContentSecurityPolicy().default_src("'none'").sandbox(), cache='private, no-cache'
)

#: Content that a user shares with all holders of a link. Any site may embed it.
SHARED_CONTENT = security_headers(
    ContentSecurityPolicy().default_src("'none'").sandbox(),
    cache='private, no-cache',
    resources='cross-origin',
)

#: Public content that any site may embed: published files, avatars.
PUBLIC_CONTENT = security_headers(
    ContentSecurityPolicy().default_src("'none'").sandbox(),
    cache='max-age=300',
    resources='cross-origin',
)


def init_app(app: Flask) -> None:
    """Register the functions that set the context of requests and the headers of responses."""
    app.before_request(begin_request)
    app.after_request(end_request)


def begin_request() -> None:
    """Set the request context: id, IP address of the client and user agent.

    The client's `X-Request-ID` becomes the id if its form is valid.
    """
    theirs = request.headers.get('X-Request-ID', '')
    request_id = theirs if REQUEST_ID_PATTERN.fullmatch(theirs) else uuid4().hex
    agent = request.headers.get('User-Agent', '')
    set_request_context(RequestContext(request_id, client_ip(), agent))


def end_request(response: Response) -> Response:
    """Add the headers that all responses have, except those that the route has set itself."""
    _apply_cache_policy(response)
    headers = response.headers
    said = {name.lower() for name, _ in headers}
    for name, value in _policy_of_route():
        if name.lower() not in said:
            headers.add(name, value)
    if request.is_secure:
        headers.add(*HSTS)
    is_empty = request.method == 'OPTIONS' and response.status_code == 200
    if is_empty or response.status_code == 204:
        # Flask's automatic response to OPTIONS has no body, so it must not have a content type.
        headers.pop('Content-Type', None)
    headers.add('X-Request-ID', current_request_context().request_id)
    # Add `Vary: Origin` even if the request has no Origin header, so that caches do not mix
    # responses.
    _add_vary(response, 'Origin')
    return response


def _apply_cache_policy(response: Response) -> None:
    """Forbid caches to store errors. Successes and 304 keep the `Cache-Control` of the route.

    A cache would send a stored error even after its cause has ended. Its format depends on
    `Accept`.
    """
    if response.status_code >= 400:
        response.headers['Cache-Control'] = NO_STORE
        _add_vary(response, 'Accept')


def _add_vary(response: Response, name: str) -> None:
    """Add a name to `Vary`. If other extensions have added several such headers, merge them."""
    known = parse_set_header(', '.join(response.headers.getlist('Vary')))
    known.add(name)
    response.headers['Vary'] = known.to_header()


def _policy_of_route() -> HeaderSet:
    spec = g.get('endpoint_spec')
    return spec.security_headers if spec else API
