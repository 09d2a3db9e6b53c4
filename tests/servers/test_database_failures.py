"""Errors of PostgreSQL: the response to each class of errors, and the first request after it."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask
from marshmallow import Schema, fields
from sqlalchemy import Engine, create_engine, make_url, text

from project.core.database.session import atomic, db, execute_in_own_transaction
from project.core.web.endpoints.access import public
from project.core.web.endpoints.endpoint import endpoint
from tests.core.apps import kernel_app
from tests.databases import fresh_database
from tests.kit.clients import IsolatedClient
from tests.reliability.harness import address_of
from tests.service import BIN, ROOT, free_port, inherited_environment

pytestmark = [pytest.mark.servers, pytest.mark.timeout(60)]

RAISE = "DO $$ BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '{}'; END $$"
WRITE = 'INSERT INTO things VALUES (1)'
READ = 'SELECT 1'


@contextmanager
def service(folder: Path, url: str) -> Iterator[Flask]:
    """Yield an application with two routes that execute any SQL statement.

    `/atomic` executes the statement inside `atomic`, `/alone` in its own transaction.
    """
    statements = Blueprint('statements', __name__)

    class StatementQuery(Schema):
        sql = fields.Str(required=True)

    @statements.post('/atomic')
    @endpoint(allow=public, query=StatementQuery, limit='1000000/hour')
    @atomic()
    def in_transaction(query: dict[str, str]) -> None:
        """Execute a statement inside `atomic`."""
        db.session.execute(text(query['sql']))

    @statements.post('/alone')
    @endpoint(allow=public, query=StatementQuery, limit='1000000/hour')
    def alone(query: dict[str, str]) -> None:
        """Execute a statement in its own transaction, without `atomic`."""
        execute_in_own_transaction(text(query['sql']))

    with kernel_app(folder, statements, SQLALCHEMY_DATABASE_URI=url, TESTING=False) as app:
        yield app


@pytest.fixture(scope='module')
def url() -> Iterator[str]:
    address_of('postgresql')
    with fresh_database('failures') as found:
        yield found


@pytest.fixture(scope='module')
def admin(url: str) -> Iterator[Engine]:
    """Yield a connection pool to another database of the server, as an operator uses.

    From there, statements can act on the database of the test.
    """
    engine = create_engine(make_url(url).set(database='postgres'), isolation_level='AUTOCOMMIT')
    own = create_engine(url)
    with own.begin() as connection:
        connection.exec_driver_sql('CREATE TABLE things (id integer)')
    own.dispose()
    yield engine
    engine.dispose()


@pytest.fixture
def client(tmp_path: Path, url: str, admin: Engine) -> Iterator[IsolatedClient]:
    with service(tmp_path, url) as app:
        client = app.test_client()
        assert isinstance(client, IsolatedClient)
        assert send(client, WRITE) == 200
        yield client


def send(client: IsolatedClient, sql: str, path: str = '/atomic') -> int:
    """Send a request that executes a statement; return the status of the response."""
    return client.post(path, query_string={'sql': sql}).status_code


def administer(admin: Engine, *statements: str) -> None:
    """Execute statements through the operator's connection."""
    with admin.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


@contextmanager
def read_only(admin: Engine, url: str) -> Iterator[None]:
    """Make new connections to the database read-only, as after a failover."""
    name = make_url(url).database
    administer(admin, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    try:
        yield
    finally:
        administer(admin, f'ALTER DATABASE "{name}" RESET default_transaction_read_only')


def end_sessions(admin: Engine, url: str) -> None:
    """End all connections to the database, as a restart of the server does."""
    name = make_url(url).database
    administer(
        admin,
        f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'",
    )


# Each line: the SQLSTATE of an error, the status of the response, and its `Retry-After`.
CLASSES = (
    ('08006', 503, '5'),
    ('25006', 503, '5'),
    ('40001', 503, '1'),
    ('40P01', 503, '1'),
    ('53200', 503, '5'),
    ('53300', 503, '5'),
    ('53100', 507, '5'),
    ('55P03', 503, '5'),
    ('57014', 503, '5'),
    ('57P01', 503, '5'),
    ('57P03', 503, '5'),
    ('58030', 503, '5'),
    ('XX001', 503, '5'),
    ('22001', 500, None),
    ('54000', 500, None),
    ('P0001', 500, None),
)


@pytest.mark.parametrize('path', ['/atomic', '/alone'])
def test_each_class_of_errors_returns_its_status(client: IsolatedClient, path: str) -> None:
    for sqlstate, code, retry_after in CLASSES:
        response = client.post(path, query_string={'sql': RAISE.format(sqlstate)})

        found = sqlstate, response.status_code, response.headers.get('Retry-After')
        assert found == (sqlstate, code, retry_after)
        assert response.json['status'] == 'error'
        assert send(client, WRITE, path) == 200


@pytest.mark.parametrize(('sqlstate', 'code'), [('53100', 507), ('57P01', 503), ('25006', 503)])
def test_an_error_at_commit_returns_its_status(
    client: IsolatedClient, admin: Engine, sqlstate: str, code: int
) -> None:
    fail = RAISE.format(sqlstate).removeprefix('DO $$').removesuffix('$$')
    for statement in (
        f'CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $f$ {fail}; $f$',
        'CREATE CONSTRAINT TRIGGER late AFTER INSERT ON things DEFERRABLE INITIALLY DEFERRED '
        'FOR EACH ROW EXECUTE FUNCTION fail()',
    ):
        assert send(client, statement) == 200

    assert send(client, WRITE) == code
    assert send(client, 'DROP TRIGGER late ON things') == 200
    assert send(client, WRITE) == 200


@pytest.mark.parametrize('path', ['/atomic', '/alone'])
def test_the_first_write_after_a_read_only_period_succeeds(
    client: IsolatedClient, admin: Engine, url: str, path: str
) -> None:
    with read_only(admin, url):
        end_sessions(admin, url)
        with ThreadPoolExecutor(8) as many:
            codes = list(many.map(lambda _: send(client, WRITE, path), range(16)))
            reads = list(many.map(lambda _: send(client, READ, path), range(16)))

    assert codes == [503] * 16
    assert reads == [200] * 16
    # If the pool had kept the read-only connections, these writes would fail.
    with ThreadPoolExecutor(8) as many:
        assert list(many.map(lambda _: send(client, WRITE, path), range(16))) == [200] * 16


def test_the_first_request_after_a_restart_succeeds(
    client: IsolatedClient, admin: Engine, url: str
) -> None:
    with ThreadPoolExecutor(8) as many:
        assert set(many.map(lambda _: send(client, READ), range(16))) == {200}
    end_sessions(admin, url)

    assert send(client, WRITE) == 200


def test_a_notice_keeps_the_connection(client: IsolatedClient, admin: Engine) -> None:
    before = backend(client)
    assert send(client, "DO $$ BEGIN RAISE NOTICE 'hello'; END $$") == 200
    administer(admin, 'SELECT pg_reload_conf()')

    assert backend(client) == before


def backend(client: IsolatedClient) -> Any:
    """Return the process id of the PostgreSQL server process of a pooled connection."""
    with client.application.app_context():
        [row] = execute_in_own_transaction(text('SELECT pg_backend_pid()'))
        return row[0]


@pytest.mark.parametrize('encoding', ['LATIN1', 'SQL_ASCII'])
def test_the_service_does_not_start_with_a_database_that_is_not_utf_8(
    tmp_path: Path, url: str, admin: Engine, encoding: str
) -> None:
    own = make_url(url).set(database=f'{make_url(url).database}_{encoding.lower()}')
    create = f'CREATE DATABASE "{own.database}" TEMPLATE template0'
    administer(admin, f"{create} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'")
    env = {
        **inherited_environment(),
        'APP_ENV': 'development',
        'DATABASE_URL': own.render_as_string(hide_password=False),
        'PORT': str(free_port()),
        'STORAGE_URL': f'file://{tmp_path}/storage',
    }
    command = [str(BIN / 'gunicorn'), '-c', 'config/gunicorn.py', 'wsgi:create_app()']
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=30, check=False
        )
    finally:
        administer(admin, f'DROP DATABASE "{own.database}" WITH (FORCE)')

    assert done.returncode == 1
    assert 'Traceback' not in done.stderr
    expected = f'Refusing to start: The database {own.database!r} has the encoding {encoding}.'
    assert expected in done.stderr


def test_options_of_the_url_are_added(tmp_path: Path, url: str, admin: Engine) -> None:
    shown = 'SELECT current_setting(:name)'

    with (
        service(tmp_path, f'{url}?options=-csearch_path%3Dapp%2Cpublic') as app,
        app.app_context(),
    ):
        found = [
            execute_in_own_transaction(text(shown).bindparams(name=name))[0][0]
            for name in ('search_path', 'statement_timeout', 'server_encoding')
        ]

    assert found == ['app,public', '30s', 'UTF8']
