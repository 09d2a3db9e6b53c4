"""The service behind PgBouncer: the position on each of its modes, as docs/operations.md states."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, make_url

from project.core.database.engines import validate_database
from tests.databases import fresh_database
from tests.reliability.harness import address_of
from tests.service import free_port, wait_for

pytestmark = [pytest.mark.servers, pytest.mark.timeout(60)]

ROLE = 'pooled'
TIME_LIMITS = ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout')


@pytest.fixture(scope='module')
def url() -> Iterator[URL]:
    """Yield the URL of a database, in which a role has its own time limits."""
    address_of('postgresql')
    with fresh_database('poolers') as found:
        admin = create_engine(found, isolation_level='AUTOCOMMIT')
        with admin.connect() as connection:
            connection.exec_driver_sql(f'DROP ROLE IF EXISTS {ROLE}')
            connection.exec_driver_sql(f'CREATE ROLE {ROLE} LOGIN')
            for name in TIME_LIMITS:
                connection.exec_driver_sql(f"ALTER ROLE {ROLE} SET {name} = '30s'")
        yield make_url(found)
        with admin.connect() as connection:
            connection.exec_driver_sql(f'DROP ROLE {ROLE}')
        admin.dispose()


def is_open(port: int) -> bool:
    """Return whether a server accepts connections on a port."""
    with socket.socket() as client:
        return client.connect_ex(('127.0.0.1', port)) == 0


@contextmanager
def pooler(folder: Path, url: URL, user: str | None, **settings: str) -> Iterator[str]:
    """Run PgBouncer before a database; yield the URL of the database through it."""
    program = shutil.which('pgbouncer', path=f'{os.environ["PATH"]}:/usr/sbin')
    assert program, 'this test needs pgbouncer'
    port = free_port()
    target = f'host={url.host} port={url.port or 5432} user={user or url.username}'
    target += f' password={url.password}' if url.password else ''
    lines = [
        '[databases]', f'* = {target}', '[pgbouncer]',
        'listen_addr = 127.0.0.1', f'listen_port = {port}', 'auth_type = any',
        'unix_socket_dir =', *(f'{name} = {value}' for name, value in settings.items()),
    ]  # fmt: skip
    path = folder / 'pgbouncer.ini'
    path.write_text('\n'.join(lines))
    # PgBouncer does not run as root.
    as_user = ['--user=nobody'] if os.getuid() == 0 else []
    with (folder / 'log').open('wb') as log:
        command = [program, *as_user, str(path)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_for(lambda: is_open(port))
        yield url.set(host='127.0.0.1', port=port).render_as_string(hide_password=False)
    finally:
        process.terminate()
        process.wait(10)


class TestValidateDatabase:
    def test_accepts_session_mode_with_a_role_that_has_time_limits(
        self, tmp_path: Path, url: URL, caplog: pytest.LogCaptureFixture
    ) -> None:
        options = {'pool_mode': 'session', 'ignore_startup_parameters': 'options'}

        with pooler(tmp_path, url, ROLE, **options) as pooled:
            validate_database({'SQLALCHEMY_DATABASE_URI': pooled})

        assert caplog.messages == []

    @pytest.mark.parametrize(
        ('mode', 'user', 'ignored', 'fault'),
        [
            ('session', ROLE, 'search_path', 'rejects the options of a connection'),
            ('session', None, 'options', 'drops the options of a connection'),
            ('transaction', ROLE, 'options', 'shares database sessions'),
            ('statement', ROLE, 'options', 'shares database sessions'),
        ],
    )
    def test_does_not_start_with_another_configuration(
        self, tmp_path: Path, url: URL, mode: str, user: str | None, ignored: str, fault: str
    ) -> None:
        options = {'pool_mode': mode, 'ignore_startup_parameters': ignored}

        with (
            pooler(tmp_path, url, user, **options) as pooled,
            pytest.raises(SystemExit, match=f'Refusing to start: .* {fault}'),
        ):
            validate_database({'SQLALCHEMY_DATABASE_URI': pooled})
