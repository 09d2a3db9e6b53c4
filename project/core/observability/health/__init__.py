"""Health checks: `/healthz`, `/readyz`, and `run_checks` for commands."""

from collections.abc import Callable

from flask import Flask

from project.core.app_values import AppValue
from project.core.observability.build_info import code_version_and_revision

from . import (
    checks,  # noqa: F401 - registers the checks of core
    migrations,  # noqa: F401 - registers the check of the migrations
    storage_identity,
)
from .readiness import READINESS, DependencyState, Readiness, run_checks
from .routes import health

__all__ = ['DependencyState', 'Readiness', 'health', 'init_app', 'run_checks']


# The configuration of gunicorn logs the version at the start; it must not import the project.
CODE_VERSION: AppValue[Callable[[], str]] = AppValue('code_version')


def init_app(app: Flask) -> None:
    """Register `/healthz` and `/readyz` outside the API prefix."""
    READINESS.set(app, Readiness(app))
    CODE_VERSION.set(app, code_version_and_revision)
    app.register_blueprint(health)
    storage_identity.init_app(app)
