"""Small applications of the kernel alone, for what the whole one cannot show."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask

from config.testing import TestingConfig
from project import core
from project.core.clock import now
from project.core.security.principal import Principal
from tests.client import IsolatedClient


def nobody(token: str) -> None:
    """Know no token."""


def kernel_app(
    folder: Path,
    *blueprints: Blueprint,
    identify: Callable[[str], Principal | None] = nobody,
    reload_principal: Callable[[Principal], Principal | None] = lambda principal: principal,
    **settings: Any,
) -> Flask:
    """Return the kernel with nothing on it but these blueprints, its files in a folder."""
    app = Flask('project', static_folder=None, template_folder='core/templates')
    app.config.from_object(TestingConfig)
    app.config.update(
        STORAGE_URL=f'file://{folder}/storage',
        MAIL_URL=f'file://{folder}/mail',
        MAINTENANCE_FILE=f'{folder}/maintenance',
    )
    app.config.update(settings)
    core.init_app(app, identify, reload_principal, lambda user_ids: None)
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    core.validate_routes(app)
    app.test_client_class = IsolatedClient
    return app


def principal(**changes: Any) -> Principal:
    """Return somebody who is user 1, logged in just now, and holds nothing."""
    known = {
        'user_id': 1,
        'username': 'ada',
        'permissions': frozenset(),
        'session_id': None,
        'authenticated_at': now(),
    }
    return Principal(**{**known, **changes})


def bearer(token: str) -> dict[str, str]:
    """Return the header that shows a token."""
    return {'Authorization': f'Bearer {token}'}
