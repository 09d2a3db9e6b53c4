"""Applications for tests that consist only of `project.core` and the test's blueprints."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask

from config.testing import TestingConfig
from project import core
from project.core.clock import now
from project.core.security.authentication import Authentication
from project.core.security.principal import Principal
from tests.databases import closing_connections
from tests.kit.clients import IsolatedClient


def find_no_principal(token: str) -> None:
    """Reject every token: return None instead of a principal."""


@contextmanager
def kernel_app(
    folder: Path,
    *blueprints: Blueprint,
    identify: Callable[[str], Principal | None] = find_no_principal,
    reload_principal: Callable[[Principal], Principal | None] = lambda principal: principal,
    **settings: Any,
) -> Iterator[Flask]:
    """Yield an application of `project.core` and the given blueprints, without features.

    It stores its objects and mails in `folder`. `identify` and `reload_principal` are the functions
    with which the guard finds the principal of a token, and reads it again.
    """
    app = Flask('project', static_folder=None, template_folder='core/templates')
    app.config.from_object(TestingConfig)
    app.config.update(
        STORAGE_URL=f'file://{folder}/storage',
        MAIL_URL=f'file://{folder}/mail',
        MAINTENANCE_FILE=f'{folder}/maintenance',
    )
    app.config.update(settings)
    core.init_app(app, Authentication(identify, reload_principal, lambda user_ids: None))
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    core.validate_routes(app)
    app.test_client_class = IsolatedClient
    with closing_connections(app):
        yield app


def principal(**changes: Any) -> Principal:
    """Return a principal: user 1, just logged in and without permissions."""
    known = {
        'user_id': 1,
        'username': 'ada',
        'permissions': frozenset(),
        'session_id': None,
        'authenticated_at': now(),
    }
    return Principal(**{**known, **changes})


def bearer(token: str) -> dict[str, str]:
    """Return the `Authorization` header with a bearer token."""
    return {'Authorization': f'Bearer {token}'}
