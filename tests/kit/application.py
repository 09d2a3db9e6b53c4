"""The application that all tests of a process share, and the isolation of each test."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner

from config.testing import TestingConfig
from project import create_app
from project.core.database import engines
from project.core.database.session import db
from project.core.request_context import NO_CONTEXT, set_request_context
from project.core.storage import LocalStorage
from project.core.web.openapi.document import specification
from tests.databases import (
    closing_connections,
    create_tables,
    fresh_database,
    send_savepoints_as_text,
)
from tests.passwords import UNDECLARED_HASHING, recording_undeclared_hashing

from .clients import SEEN_ETAGS, IsolatedClient

VAR_FOLDER = pytest.StashKey[Path]()

_test_numbers = count()


@pytest.fixture(scope='session')
def app(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Flask]:
    """The application that all tests of this process share, with its own database."""
    var = tmp_path_factory.mktemp('var')
    worker = os.environ.get('PYTEST_XDIST_WORKER', 'main')
    with fresh_database(worker) as url, recording_undeclared_hashing() as found:
        pytestconfig.stash[VAR_FOLDER] = var
        pytestconfig.stash[UNDECLARED_HASHING] = found

        class Config(TestingConfig):
            SQLALCHEMY_DATABASE_URI = url
            REDIS_URL = os.environ.get('TEST_REDIS_URL', '')
            STORAGE_URL = f'file://{var}/storage'
            MAIL_URL = f'file://{var}/mail'
            MAINTENANCE_FILE = f'{var}/maintenance'
            FILES_PUBLIC_FOLDER = f'{var}/public'

        with closing_connections(create_app(Config)) as app:
            app.test_client_class = IsolatedClient
            specification(app)
            with app.app_context():
                create_tables()
                send_savepoints_as_text(db.engine)
            yield app


@pytest.fixture(autouse=True)
def isolation(request: pytest.FixtureRequest, app: Flask) -> Iterator[None]:
    """Give each test its own transaction, folders and request context.

    The fixture also fails each test in which a route hashes a password but is not declared with
    `hashes_password`: the server would not limit the number of concurrent requests to such a route.

    For speed, this is a single fixture and not one for each of these purposes: half of all tests
    take less time than the setup of five fixtures. For the same reason, the folder of a test is
    only created when the test writes a file.
    """
    undeclared_hashing = request.config.stash[UNDECLARED_HASHING]
    undeclared_hashing.clear()
    SEEN_ETAGS.clear()
    set_request_context(NO_CONTEXT)
    with _rolled_back_transaction(app), _own_folders(app, request):
        yield
    set_request_context(NO_CONTEXT)
    assert undeclared_hashing == []


@contextmanager
def _rolled_back_transaction(app: Flask) -> Iterator[None]:
    with app.app_context():
        known = db.engines
        engine = known[None]
        connection = engine.connect().execution_options(**engines.write_execution_options(engine))
        outer = connection.begin()
        try:
            db.session.configure(join_transaction_mode='create_savepoint')
            known[None] = connection  # type: ignore[assignment]
            yield
        finally:
            db.session.remove()
            outer.rollback()
            connection.close()
            known[None] = engine
    # If a session was left, a later application context at the same memory address would reuse it.
    assert not db.session.registry.registry


@contextmanager
def _own_folders(app: Flask, request: pytest.FixtureRequest) -> Iterator[None]:
    """Configure paths of this test for objects, public files and the maintenance file.

    The folder of these paths does not exist before the test writes to it, unless it is `tmp_path`.
    """
    if has_folder := 'tmp_path' in request.fixturenames:
        folder = request.getfixturevalue('tmp_path')
    else:
        folder = request.config.stash[VAR_FOLDER] / f'test-{next(_test_numbers)}'
    own_config = {
        'FILES_PUBLIC_FOLDER': f'{folder}/public',
        'MAINTENANCE_FILE': f'{folder}/maintenance',
    }
    shared_config = {name: app.config[name] for name in own_config}
    storage = app.extensions['storage']
    app.config.update(own_config)
    app.extensions['storage'] = LocalStorage(folder / 'storage')
    try:
        yield
    finally:
        app.config.update(shared_config)
        app.extensions['storage'] = storage
        if not has_folder and folder.exists():
            shutil.rmtree(folder)


@pytest.fixture
def var(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder with the objects and public files of the test."""
    # Otherwise `isolation` has already chosen another folder.
    assert 'tmp_path' in request.node.fixturenames, 'the test must name `var` or `tmp_path` itself'
    return tmp_path


@pytest.fixture
def cli(app: Flask) -> FlaskCliRunner:
    """A runner of `flask` commands: `cli.invoke(args=['notes', 'stats'])`."""
    return app.test_cli_runner()
