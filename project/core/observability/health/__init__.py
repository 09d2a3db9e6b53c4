"""Health checks: `/healthz`, `/readyz`, and `run_checks` for commands."""

from flask import Flask

from . import (
    checks,  # noqa: F401 - registers the checks of core
    migrations,  # noqa: F401 - registers the check of the migrations
    storage_identity,
)
from .readiness import READINESS, DependencyState, Readiness, run_checks
from .routes import health

__all__ = ['DependencyState', 'Readiness', 'health', 'init_app', 'run_checks']


def init_app(app: Flask) -> None:
    """Register `/healthz` and `/readyz` outside the API prefix."""
    READINESS.set(app, Readiness(app))
    app.register_blueprint(health)
    storage_identity.init_app(app)
