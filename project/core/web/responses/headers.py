"""What every answer carries: security headers, the request's id, and CORS for exact origins."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import uuid4

from flask import Flask, Response, g, request
from flask_cors import CORS
from secure import (
    CacheControl,
    ContentSecurityPolicy,
    CrossOriginOpenerPolicy,
    CrossOriginResourcePolicy,
    PermissionsPolicy,
    ReferrerPolicy,
    Secure,
    StrictTransportSecurity,
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
EXPOSED_HEADERS = [
    'ETag', 'Link', 'Location', 'Retry-After', 'Content-Range', 'Content-Disposition',
    'X-Request-ID', 'X-File-Id', 'RateLimit', 'RateLimit-Policy', 'Tus-Resumable', 'Tus-Version',
    'Tus-Extension', 'Tus-Max-Size', 'Tus-Checksum-Algorithm', 'Upload-Offset', 'Upload-Length',
    'Upload-Expires', 'Upload-Metadata',
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Header:
    """A header that a route reads, or answers with: what it says, and its JSON Schema."""

    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {'type': 'string'})
    required: bool = False


def security_headers(
    csp: ContentSecurityPolicy, *, cache: str, resources: str = 'same-origin'
) -> HeaderSet:
    """Return the headers of a kind of route, made once: they are the same on every answer.

    :param cache: what caches may do with a success. Errors are never stored.
    :param resources: which sites may embed it (`Cross-Origin-Resource-Policy`).
    """
    return Secure(
        cache=CacheControl().set(cache),
        coop=CrossOriginOpenerPolicy().same_origin(),
        corp=CrossOriginResourcePolicy().set(resources),
        csp=csp.base_uri("'none'").frame_ancestors("'none'").form_action("'none'"),
        hsts=StrictTransportSecurity().max_age(63072000).include_subdomains(),
        permissions=PermissionsPolicy().geolocation().microphone().camera(),
        referrer=ReferrerPolicy().no_referrer(),
        xcto=XContentTypeOptions().nosniff(),
        xfo=XFrameOptions().deny(),
        xdfc=XDnsPrefetchControl().off(),
        xpcdp=XPermittedCrossDomainPolicies().none(),
    ).header_items()


NO_STORE = 'no-store, max-age=0'

#: Every route that says nothing else: data, which no browser should keep, run or show.
API = security_headers(ContentSecurityPolicy().default_src("'none'"), cache=NO_STORE)

#: Bytes that a stranger uploaded. Nothing in them runs, whatever they are (ASVS 3.2.1).
USER_CONTENT = security_headers(
    ContentSecurityPolicy().default_src("'none'").sandbox(), cache='private, no-cache'
)

#: Bytes that everybody may see, also as a part of somebody's page: published files, avatars.
PUBLIC_CONTENT = security_headers(
    ContentSecurityPolicy().default_src("'none'").sandbox(),
    cache='public, max-age=300',
    resources='cross-origin',
)


def init_app(app: Flask) -> None:
    """Begin and end every request with what it must carry."""
    app.before_request(begin_request)
    app.after_request(end_request)
    if app.config['CORS_ORIGINS']:
        CORS(
            app,
            resources={r'/api/*': {}},
            # Exact words: as patterns they would not be anchored at their ends.
            origins=[re.compile(f'{re.escape(origin)}$') for origin in app.config['CORS_ORIGINS']],
            allow_headers=['Authorization', 'Content-Type', 'If-Match', 'If-None-Match', 'Range',
                           'If-Range', 'X-Request-ID', 'Accept', 'Tus-Resumable', 'Upload-Length',
                           'Upload-Offset', 'Upload-Metadata', 'Upload-Checksum',
                           'X-HTTP-Method-Override', 'X-Link-Password'],
            expose_headers=EXPOSED_HEADERS,
            max_age=600,
            send_wildcard=False,
            always_send=False,
        )  # fmt: skip


def begin_request() -> None:
    """Set the request's context: its id, the client's address and user agent.

    The id is that of the client's `X-Request-ID`, if it has the form of one.
    """
    theirs = request.headers.get('X-Request-ID', '')
    request_id = theirs if REQUEST_ID_PATTERN.fullmatch(theirs) else uuid4().hex
    agent = request.headers.get('User-Agent', '')
    set_request_context(RequestContext(request_id, client_ip(), agent))


def end_request(response: Response) -> Response:
    """Add what every response carries, unless the route has said it already."""
    _apply_cache_policy(response)
    headers = response.headers
    said = {name.lower() for name, _ in headers}
    for name, value in _policy_of_route():
        if name.lower() not in said:
            headers.add(name, value)
    if request.method == 'OPTIONS' and response.status_code == 200:
        # Nothing is said, and least of all in HTML.
        headers.pop('Content-Type', None)
    headers.add('X-Request-ID', current_request_context().request_id)
    # Also without an Origin: a cache must not return this response to another one.
    _add_vary(response, 'Origin')
    return response


def _apply_cache_policy(response: Response) -> None:
    """Keep the cache policy of the route for its successes and 304, and store no error.

    A stored error would outlast its cause, and its form depends on `Accept`.
    """
    if response.status_code >= 400:
        response.headers['Cache-Control'] = NO_STORE
        _add_vary(response, 'Accept')


def _add_vary(response: Response, name: str) -> None:
    """Add a name to `Vary`, in one header line; other extensions may have added lines."""
    known = parse_set_header(', '.join(response.headers.getlist('Vary')))
    known.add(name)
    response.headers['Vary'] = known.to_header()


def _policy_of_route() -> HeaderSet:
    spec = g.get('endpoint_spec')
    return spec.security_headers if spec else API
