"""What the tests of the kernel share."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask, request
from sqlalchemy import delete

from project.core.database import session
from project.core.database.session import atomic, db
from project.core.request_context import current_request_context
from project.core.security.principal import Principal
from project.core.tasks import registry
from project.core.throttling import ThrottleCounter
from project.core.web.endpoints.access import Access, public
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.responses.jsend import api_success
from tests.client import IsolatedClient
from tests.databases import create_tables, fresh_database

from .apps import kernel_app


@pytest.fixture
def kernel(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Callable[..., Flask]]:
    """Return a function that makes an application of the kernel and some blueprints."""
    made: list[Flask] = []

    def make(*blueprints: Blueprint, **settings: Any) -> Flask:
        made.append(kernel_app(tmp_path, *blueprints, **settings))
        # It has set up logging anew, and so taken away what pytest listens with.
        logging.getLogger().addHandler(caplog.handler)
        return made[-1]

    yield make
    for app in made:
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def serve(kernel: Callable[..., Flask]) -> Callable[..., IsolatedClient]:
    """Return a function that makes a client of one route: `serve(handler, body=Request)`.

    The route is POST and GET `/probe`, or what `rule` and `methods` say, and public unless `allow`
    says who may. `people` are who may ask, by their tokens; what stands in `settings` is
    configuration.
    """

    def client(
        handler: Callable[..., Any],
        *,
        rule: str = '/probe',
        methods: tuple[str, ...] = ('GET', 'POST'),
        allow: Access = public,
        people: dict[str, Principal] | None = None,
        settings: dict[str, Any] | None = None,
        **declared: Any,
    ) -> IsolatedClient:
        probe = Blueprint('probe', __name__)
        route = probe.route(rule, methods=list(methods), endpoint='show')
        route(endpoint(allow=allow, **declared)(handler))
        app = kernel(probe, identify=(people or {}).get, **(settings or {}))
        made = app.test_client()
        assert isinstance(made, IsolatedClient)
        return made

    return client


@pytest.fixture
def no_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without any task; what a test marks as one is forgotten with it."""
    monkeypatch.setattr(registry, '_tasks', {})
    monkeypatch.setattr(registry, '_names', {})


@pytest.fixture(scope='session')
def durable_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """An application on a file, or on a database of its own on PostgreSQL.

    In memory all would share one connection.
    """
    with fresh_database('durable') as url:
        app = Flask('durable', static_folder=None)
        file = tmp_path_factory.mktemp('durable') / 'db'
        app.config['SQLALCHEMY_DATABASE_URI'] = f'sqlite:///{file}' if url == 'sqlite://' else url
        session.init_app(app)
        with app.app_context():
            create_tables()
        yield app
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def durable(durable_app: Flask) -> Iterator[Flask]:
    """Work, in the test's own context, on an empty database whose transactions really happen."""
    with durable_app.app_context():
        yield durable_app
        db.session.rollback()
        with atomic():
            db.session.execute(delete(ThrottleCounter))


@pytest.fixture
def whoami() -> Blueprint:
    """Return a blueprint that shows the address, scheme and host of a request."""
    blueprint = Blueprint('whoami', __name__)

    @blueprint.get('/whoami')
    @endpoint(allow=public)
    def whoami() -> Any:
        return api_success([current_request_context().ip_address, request.scheme, request.host])

    return blueprint
