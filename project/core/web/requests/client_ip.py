"""The IP address of the client, also behind proxies."""

from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix

from project.core.ip_addresses import normalize_ip


def init_app(app: Flask) -> None:
    """Trust as many proxies in front as `TRUSTED_PROXIES` says: each appends one address."""
    hops = app.config['TRUSTED_PROXIES']
    if hops:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]


def client_ip() -> str:
    """Return the client's address in normal form, or nothing if it is none.

    A proxy may pass on any text.
    """
    return normalize_ip(request.remote_addr or '')
