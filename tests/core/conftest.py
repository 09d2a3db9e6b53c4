"""Fixtures of the tests of `project.core`."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask, request
from sqlalchemy import delete

from project.core.database import session
from project.core.database.session import atomic, db
from project.core.registration import Registry
from project.core.request_context import current_request_context
from project.core.security.principal import Principal
from project.core.tasks import registry
from project.core.throttling import ThrottleCounter
from project.core.web.endpoints.access import Access, public
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.responses.jsend import api_success
from tests.databases import closing_connections, create_tables, fresh_database
from tests.kit.clients import IsolatedClient

from .apps import kernel_app


@pytest.fixture
def kernel(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Callable[..., Flask]]:
    """Return a function that creates an application of `project.core` and the given blueprints."""
    with ExitStack() as stack:

        def make(*blueprints: Blueprint, **settings: Any) -> Flask:
            app = stack.enter_context(kernel_app(tmp_path, *blueprints, **settings))
            # The application has configured logging, which removed the handler of the fixture
            # `caplog`.
            logging.getLogger().addHandler(caplog.handler)
            return app

        yield make


@pytest.fixture
def serve(kernel: Callable[..., Flask]) -> Callable[..., IsolatedClient]:
    """Return a function that creates a test client: `serve(handler, body=Request)`.

    The application has one route, which calls `handler`. It is POST and GET `/probe`, unless `rule`
    and `methods` are given. It is public, unless `allow` is given. `people` are the principals by
    their token; `settings` are settings of the application.
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
    """Empty the registry of tasks during the test, and restore it afterwards."""
    monkeypatch.setattr(registry, '_tasks', Registry('task', has_prefix=True))
    monkeypatch.setattr(registry, '_names', {})


@pytest.fixture(scope='session')
def durable_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """Yield an application whose database has a file, or is a new PostgreSQL database.

    Other tests use SQLite in memory, where all sessions share one connection.
    """
    with fresh_database('durable') as url:
        app = Flask('durable', static_folder=None)
        file = tmp_path_factory.mktemp('durable') / 'db'
        app.config['SQLALCHEMY_DATABASE_URI'] = f'sqlite:///{file}' if url == 'sqlite://' else url
        session.init_app(app)
        with closing_connections(app):
            with app.app_context():
                create_tables()
            yield app


@pytest.fixture
def durable(durable_app: Flask) -> Iterator[Flask]:
    """Yield `durable_app` in its application context.

    Transactions of the test are really committed; no outer transaction rolls them back.
    """
    with durable_app.app_context():
        yield durable_app
        db.session.rollback()
        with atomic():
            db.session.execute(delete(ThrottleCounter))


@pytest.fixture
def whoami() -> Blueprint:
    """Return a blueprint whose route returns the IP address, scheme and host of the request."""
    blueprint = Blueprint('whoami', __name__)

    @blueprint.get('/whoami')
    @endpoint(allow=public)
    def whoami() -> Any:
        return api_success([current_request_context().ip_address, request.scheme, request.host])

    return blueprint
