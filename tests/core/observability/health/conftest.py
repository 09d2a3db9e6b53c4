"""Fixtures of the tests of health checks."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask_migrate import stamp

from project.core.checks import HealthCheck, checks
from project.core.database.session import db
from project.core.observability.health import Readiness
from tests.databases import create_tables


@pytest.fixture
def service(kernel: Callable[..., Flask], tmp_path: Any) -> Flask:
    """Return an application whose database has all tables and the newest migration version."""
    app = kernel(SQLALCHEMY_DATABASE_URI=f'sqlite:///{tmp_path}/db')
    with app.app_context():
        create_tables()
        stamp(revision='heads')
        db.session.remove()
    return app


@pytest.fixture
def ready(service: Flask) -> Callable[[], Any]:
    """Return a function that runs all health checks anew and returns the `/readyz` response."""

    def get() -> Any:
        service.extensions['readiness'] = Readiness(service)
        return service.test_client().get('/readyz')

    return get


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that replaces all health checks: `only(mail=HealthCheck(…))`.

    After this call, the check `mail` is the only one.
    """

    def replace(**wanted: HealthCheck) -> None:
        monkeypatch.setattr(checks, 'values', wanted)

    return replace
