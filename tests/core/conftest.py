"""What the tests of the kernel share."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask

from project.core.data.database import db
from project.core.data.tasks import registry
from project.core.principal import Principal
from project.core.web.access import Access, public
from project.core.web.endpoint import endpoint
from tests.client import HonestClient

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
def serve(kernel: Callable[..., Flask]) -> Callable[..., HonestClient]:
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
    ) -> HonestClient:
        probe = Blueprint('probe', __name__)
        route = probe.route(rule, methods=list(methods), endpoint='show')
        route(endpoint(allow=allow, **declared)(handler))
        app = kernel(probe, identify=(people or {}).get, **(settings or {}))
        made = app.test_client()
        assert isinstance(made, HonestClient)
        return made

    return client


@pytest.fixture
def no_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without any task; what a test marks as one is forgotten with it."""
    monkeypatch.setattr(registry, '_tasks', {})
    monkeypatch.setattr(registry, '_names', {})
