"""Fixtures and hooks for the tests of all features."""

import gc
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError
from flask import Flask
from flask.testing import FlaskCliRunner
from hypothesis import settings
from sqlalchemy import event

from config.testing import TestingConfig
from project import create_app
from project.core.clock import now
from project.core.database import engines
from project.core.database.session import db
from project.core.mail.transports import create_transport
from project.core.request_context import NO_CONTEXT, set_request_context
from project.core.security.principal import Principal
from project.core.storage import LocalStorage
from project.core.web.openapi.document import specification
from project.users.models import User, permissions_of
from tests.client import IsolatedClient
from tests.databases import create_tables, fresh_database, send_savepoints_as_text
from tests.passwords import recording_undeclared_hashing
from tests.pending_tasks import run_pending_tasks
from tests.url_builders import cache_url_builders

MEMORY_FOLDER = Path('/dev/shm')
MIN_FREE_MEMORY_BYTES = 2 << 30
SLOW_SECONDS = 1.0
MARKS = {'slow', 'servers'}  # tests with one of these marks may take longer than SLOW_SECONDS
VAR_FOLDER = pytest.StashKey[Path]()
UNDECLARED_HASHING = pytest.StashKey[list[str]]()

_test_numbers = count()


def pytest_configure(config: pytest.Config) -> None:
    """Store the temporary folders of the tests in memory, if enough memory is free.

    A test run writes about 10,000 files (200 MB), and calls fsync for 5,800 of them.
    """
    is_usable = MEMORY_FOLDER.is_dir() and os.access(MEMORY_FOLDER, os.W_OK | os.X_OK)
    # In a Docker container, this folder has only 64 MB.
    if is_usable and shutil.disk_usage(MEMORY_FOLDER).free >= MIN_FREE_MEMORY_BYTES:
        os.environ.setdefault('PYTEST_DEBUG_TEMPROOT', str(MEMORY_FOLDER))
    # The collection of the tests creates no garbage, so garbage collection would waste time.
    gc.disable()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Raise an error for a mark `slow` without a reason."""
    if (mark := item.get_closest_marker('slow')) and not mark.args:
        raise pytest.UsageError(f'{item.nodeid}: the mark `slow` needs a reason')


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the slowest unmarked tests that took a second or more.

    This is only a warning, because any test can be slow on a busy machine.
    """
    passed = terminalreporter.stats.get('passed', []) + terminalreporter.stats.get('', [])
    found = [r for r in passed if r.duration >= SLOW_SECONDS and not MARKS & set(r.keywords)]
    found.sort(key=lambda report: -report.duration)
    slowest = ', '.join(f'{report.nodeid} ({report.duration:.1f} s)' for report in found[:3])
    if found:
        terminalreporter.write_line(f'{len(found)} slow tests without a mark `slow`: {slowest}')


def pytest_collection_finish() -> None:
    """Exempt all existing objects from garbage collection, which took 7 % of the time of a run."""
    gc.freeze()
    gc.enable()


pytest_plugins = ['tests.sql_record', 'tests.sql_borders']

# Without a deadline: Hypothesis measures elapsed time, which depends on other processes.
settings.register_profile('suite', deadline=None)
settings.load_profile('suite')

cache_url_builders()


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

        app = create_app(Config)
        app.test_client_class = IsolatedClient
        specification(app)
        with app.app_context():
            create_tables()
            send_savepoints_as_text(db.engine)
        yield app
        with app.app_context():
            db.engine.dispose()


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
def undeclared_hashing(request: pytest.FixtureRequest) -> list[str]:
    """The routes that have hashed a password in this test without `hashes_password`."""
    return request.config.stash[UNDECLARED_HASHING]


@pytest.fixture
def var(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder with the objects and public files of the test."""
    # Otherwise `isolation` has already chosen another folder.
    assert 'tmp_path' in request.node.fixturenames, 'the test must name `var` or `tmp_path` itself'
    return tmp_path


@pytest.fixture
def client(app: Flask) -> IsolatedClient:
    """A test client that is not logged in."""
    client = app.test_client()
    assert isinstance(client, IsolatedClient)
    return client


@pytest.fixture
def as_user(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Callable[..., IsolatedClient]:
    """Return a function that returns a test client authenticated as a user.

    The feature `auth` is not involved. `as_user(user)` is a client with a fresh login,
    `as_user(user, scopes={'files:read'})` one with an API key, and
    `as_user(user, authenticated_at=…)` one that logged in at that time.
    """
    principals: dict[str, Principal] = {}
    monkeypatch.setitem(app.extensions, 'identify', principals.get)
    monkeypatch.setitem(app.extensions, 'reload_principal', lambda principal: principal)

    def become(user: Any, **changes: Any) -> IsolatedClient:
        found = User.find(user.id)
        assert found is not None
        known = {
            'user_id': found.id,
            'username': found.username,
            'permissions': permissions_of(found.roles),
            'session_id': None,
            'authenticated_at': now(),
            'user': found,
        }
        token = f'token-{len(principals)}'
        principals[token] = Principal(**{**known, **changes})
        client = app.test_client()
        client.environ_base['HTTP_AUTHORIZATION'] = f'Bearer {token}'
        assert isinstance(client, IsolatedClient)
        return client

    return become


@pytest.fixture
def cli(app: Flask) -> FlaskCliRunner:
    """A runner of `flask` commands."""
    return app.test_cli_runner()


@pytest.fixture
def mailbox(app: Flask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], list[Any]]:
    """Return a function that runs the due tasks and returns all mails, oldest first."""
    monkeypatch.setitem(app.extensions, 'mail', create_transport(f'file://{tmp_path}/mail'))

    def read() -> list[EmailMessage]:
        run_pending_tasks(app)
        paths = sorted((tmp_path / 'mail').glob('*.eml'))
        return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in paths]

    return read


@pytest.fixture
def assert_max_queries(app: Flask) -> Callable[..., Any]:
    """Return a context manager that limits the number of SQL statements in its block."""

    @contextmanager
    def budget(maximum: int, /) -> Iterator[list[str]]:
        statements: list[str] = []

        def record(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
            # Locks of users are not counted: only PostgreSQL needs a statement for them, and the
            # maximum must hold for both databases.
            is_lock = 'FROM users' in statement and statement.endswith('FOR NO KEY UPDATE')
            if not is_lock and not statement.startswith(('SAVEPOINT', 'RELEASE', 'ROLLBACK')):
                statements.append(statement)

        connection = db.engines[None]
        event.listen(connection, 'before_cursor_execute', record)
        try:
            yield statements
        finally:
            event.remove(connection, 'before_cursor_execute', record)
        assert len(statements) <= maximum, '\n'.join(statements)

    return budget


@pytest.fixture
def argon2_calls(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a context manager that records which Argon2 functions its block calls."""

    @contextmanager
    def counting() -> Iterator[list[str]]:
        done: list[str] = []
        with monkeypatch.context() as patch:
            for name in ('hash', 'verify'):
                original = getattr(PasswordHasher, name)

                def noting(*args: Any, name: str = name, original: Any = original) -> Any:
                    work = name
                    try:
                        return original(*args)
                    except InvalidHashError:
                        # The stored hash was invalid, so Argon2 computed nothing.
                        work = 'nothing'
                        raise
                    finally:
                        done.append(work)

                patch.setattr(PasswordHasher, name, noting)
            yield done

    return counting
