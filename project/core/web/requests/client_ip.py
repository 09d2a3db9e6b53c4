"""The IP address of the client, even behind proxies."""

import logging

from flask import Flask, current_app, request
from werkzeug.middleware.proxy_fix import ProxyFix

from project.core.app_values import AppValue
from project.core.ip_addresses import normalize_forwarded_ip

log = logging.getLogger(__name__)

MAX_LOGGED_CHARACTERS = 100


UNREADABLE_IP_LOGGED: AppValue[bool] = AppValue('unreadable_client_ip_logged')


def init_app(app: Flask) -> None:
    """Trust the forwarding headers of `TRUSTED_PROXIES` proxies. Each adds one IP address."""
    hops = app.config['TRUSTED_PROXIES']
    if hops:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]


def client_ip() -> str:
    """Return the client's IP address in normal form, or '' if it cannot be parsed.

    A proxy may send any text as the IP address. Each process logs the first text that it cannot
    parse.
    """
    remote = request.remote_addr or ''
    address = normalize_forwarded_ip(remote)
    if not address and not UNREADABLE_IP_LOGGED.is_set(current_app):
        UNREADABLE_IP_LOGGED.set(current_app, True)
        log.warning(
            'Unreadable client address %r: such clients share one rate limit (TRUSTED_PROXIES)',
            remote[:MAX_LOGGED_CHARACTERS],
        )
    return address
