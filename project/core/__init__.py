"""The kernel: what every feature stands on, and no feature's business."""

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from . import work
from .data import database, mail, migrations, storage
from .data.tasks import doorbell
from .ops import commands, health, logging
from .web import cookies, headers, jsend, limits, maintenance, routing, security
from .web.security import Identify


def init_app(app: Flask, identify: Identify) -> None:
    """Bind the kernel to an application; who a bearer token names is asked of `identify`."""
    logging.configure(app)
    hops = app.config['TRUSTED_PROXIES']
    if hops:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
    for room in (database, migrations, storage, doorbell, mail, work, jsend, routing, cookies):
        room.init_app(app)
    # No view is a coroutine, which Flask would otherwise look into a dozen times a request.
    app.ensure_sync = lambda function: function  # type: ignore[method-assign, assignment]
    # What comes first begins first, and ends last: the log line is written over the final answer.
    for room in (logging, headers, maintenance):
        room.init_app(app)
    security.init_app(app, identify)
    limits.init_app(app)
    health.init_app(app)
    commands.init_app(app)


def close(app: Flask) -> None:
    """Refuse to start with a route that declares nothing. Call it when all are mounted."""
    security.close(app)
