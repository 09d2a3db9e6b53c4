"""Outages of each dependency: `/readyz` reports them, and always responds."""

import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import requests
from sqlalchemy import create_engine, make_url

from tests.listeners import listener
from tests.seaweed import running_seaweed
from tests.service import free_port

from .accounts import API, call, create_users, log_in
from .harness import (
    ServiceUnderTest,
    TcpProxy,
    children,
    figure,
    migrated_database,
    name_of,
    service_under_test,
    wait_until,
)

# URLs, commands and tables of these features.
requires = ('auth', 'files')

pytestmark = [pytest.mark.servers, pytest.mark.timeout(120)]

# Documented are 3 s and 15 s, for a machine without other work.
MAX_RESPONSE_SECONDS = 10.0
MAX_SECONDS_UNTIL_SHOWN = 40.0


def read_states(service: ServiceUnderTest) -> tuple[int, dict[str, str]]:
    """Return the status of `/readyz` and the state of each dependency in it."""
    began = time.monotonic()
    response = requests.get(f'{service.url}/readyz', timeout=20)
    assert time.monotonic() - began < MAX_RESPONSE_SECONDS
    body = response.json()
    if response.status_code == 200:
        found = body['data']['dependencies']
        assert all(one['age'] <= 10 for one in found.values())
        return 200, {name: one['state'] for name, one in found.items()}
    pairs = (part.split(': ') for part in body['message'].split(', '))
    return response.status_code, dict(pairs)


def wait_for(service: ServiceUnderTest, code: int, **expected: str) -> None:
    """Wait until `/readyz` returns this status and these states.

    Waits for at most `MAX_SECONDS_UNTIL_SHOWN`.

    :param expected: the state of each dependency; `|` separates alternatives.
    """
    began = time.monotonic()
    found: tuple[int, dict[str, str]] = (0, {})

    def is_shown() -> bool:
        nonlocal found
        found = read_states(service)
        states = found[1]
        return found[0] == code and all(
            states[name] in words for name, words in alternatives.items()
        )

    alternatives = {name: words.split('|') for name, words in expected.items()}
    try:
        wait_until(is_shown, MAX_SECONDS_UNTIL_SHOWN)
    finally:
        figure(f'{expected}: {time.monotonic() - began:.1f} s, last: {found}')


def write(service: ServiceUnderTest) -> int:
    """Send a request that writes to the database; return its status."""
    body = {'email': 'ada@example.com'}
    return requests.post(
        f'{service.url}{API}/auth/verifications', json=body, timeout=60
    ).status_code


def upload(service: ServiceUnderTest, token: str) -> int:
    """Upload a file of 100 kB; return the status."""
    response = requests.post(
        f'{service.url}{API}/files',
        data=os.urandom(100_000),
        headers={'Authorization': f'Bearer {token}', 'Content-Type': 'application/octet-stream'},
        timeout=60,
    )
    return response.status_code


@contextmanager
def behind_proxy(url: str) -> Iterator[tuple[TcpProxy, str]]:
    """Start a TCP proxy in front of a server; yield the proxy and the URL through it."""
    parts = make_url(url)
    tcp_proxy = TcpProxy(parts.host or '', parts.port or 5432)
    tcp_proxy.open()
    try:
        yield tcp_proxy, parts.set(port=tcp_proxy.port).render_as_string(hide_password=False)
    finally:
        tcp_proxy.thaw()
        tcp_proxy.shut()


@contextmanager
def tmpfs(folder: Path, size: str) -> Iterator[Path]:
    """Mount a file system in memory (tmpfs). Requires root."""
    folder.mkdir()
    subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size}', 'none', folder], check=True)
    try:
        yield folder
    finally:
        wait_until(lambda: subprocess.run(['umount', folder], check=False).returncode == 0, 20)


def fill(folder: Path, remaining: int) -> None:
    """Fill a disk until only `remaining` bytes are free."""
    disk = os.statvfs(folder)
    # The disk can be full earlier, if the service writes at the same time.
    with (folder / 'filler').open('wb') as file, suppress(OSError):
        file.write(bytes(max(0, disk.f_bavail * disk.f_frsize - remaining)))


def test_readyz_shows_a_silent_database(tmp_path: Path) -> None:
    with (
        migrated_database('postgresql', tmp_path) as url,
        behind_proxy(url) as (tcp_proxy, through),
        service_under_test(tmp_path, 'sqlite', DATABASE_URL=through) as service,
    ):
        wait_for(service, 200, database='ok', migrations='ok', storage='ok', tasks='ok')
        tcp_proxy.freeze()
        wait_for(service, 503, database='silent|down|unknown')
        with ThreadPoolExecutor(48) as many:
            # These requests occupy all threads for ordinary requests, in both web workers.
            waiting = [many.submit(write, service) for _ in range(24)]
            answers = list(many.map(lambda _: read_states(service)[0], range(24)))
            assert answers == [503] * 24
            assert requests.get(f'{service.url}/healthz', timeout=1).ok
            tcp_proxy.thaw()
            assert {one.result() for one in waiting} <= {202, 429, 503}
        wait_for(service, 200, database='ok', migrations='ok', storage='ok')
        assert write(service) == 202


def test_readyz_shows_a_read_only_database(tmp_path: Path) -> None:
    with (
        migrated_database('postgresql', tmp_path) as url,
        service_under_test(tmp_path, 'sqlite', DATABASE_URL=url) as service,
    ):
        create_users(service, 'ada')
        token = log_in(service, 'ada').json()['data']['token']
        with administered(url) as (execute, name):
            execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
            end_sessions(execute, name)
            wait_for(service, 503, database='read_only')
            with ThreadPoolExecutor(6) as many:
                assert set(many.map(lambda _: write(service), range(12))) == {503}
            # The credentials are right, so the status must not be 401.
            assert log_in(service, 'ada').status_code == 503
            assert call(service, 'GET', '/users/me', Authorization=f'Bearer {token}').ok
            execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
        with ThreadPoolExecutor(6) as many:
            assert set(many.map(lambda _: write(service), range(6))) == {202}
        wait_for(service, 200, database='ok')


@contextmanager
def administered(url: str) -> Iterator[tuple[Callable[[str], Any], str]]:
    """Yield the name of the database and a function that executes SQL as an operator."""
    name = make_url(url).database or ''
    engine = create_engine(make_url(url).set(database='postgres'), isolation_level='AUTOCOMMIT')
    with engine.connect() as connection:
        yield connection.exec_driver_sql, name
    engine.dispose()


def end_sessions(execute: Callable[[str], Any], name: str) -> None:
    """End all connections to a database."""
    execute(
        'SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity '
        f"WHERE datname = '{name}' AND pid <> pg_backend_pid()"
    )


def test_readyz_shows_a_full_disk_of_sqlite(tmp_path: Path) -> None:
    with (
        tmpfs(tmp_path / 'disk', '8m') as disk,
        migrated_database('sqlite', disk) as url,
        service_under_test(tmp_path, 'sqlite', DATABASE_URL=url) as service,
    ):
        wait_for(service, 200, database='ok')
        fill(disk, remaining=0)
        wait_for(service, 503, database='full|down')
        (disk / 'filler').unlink()
        wait_for(service, 200, database='ok')
        assert write(service) == 202


def test_readyz_shows_a_full_disk_of_postgresql(tmp_path: Path) -> None:
    # The user of the PostgreSQL server cannot enter `tmp_path`.
    with TemporaryDirectory() as folder, migrated_database('postgresql', tmp_path) as url:
        Path(folder).chmod(0o755)
        with tmpfs(Path(folder) / 'disk', '64m') as disk, administered(url) as (execute, name):
            shutil.chown(disk, 'postgres')
            execute(f"CREATE TABLESPACE {name}_disk LOCATION '{disk}'")
            execute(f'ALTER DATABASE {name} SET TABLESPACE {name}_disk')
            try:
                with service_under_test(tmp_path, 'sqlite', DATABASE_URL=url) as service:
                    wait_for(service, 200, database='ok')
                    fill(disk, remaining=0)
                    wait_for(service, 503, database='full')
                    (disk / 'filler').unlink()
                    wait_for(service, 200, database='ok')
                    assert write(service) == 202
            finally:
                (disk / 'filler').unlink(missing_ok=True)
                end_sessions(execute, name)
                execute(f'ALTER DATABASE {name} SET TABLESPACE pg_default')
                execute(f'DROP TABLESPACE {name}_disk')


def test_readyz_shows_a_silent_s3_server(tmp_path: Path) -> None:
    (tmp_path / 'seaweed').mkdir()
    with running_seaweed(tmp_path / 'seaweed') as server:
        tcp_proxy = TcpProxy('127.0.0.1', make_url(server.endpoint).port or 0)
        tcp_proxy.open()
        url = server.url.replace(server.endpoint, f'http://127.0.0.1:{tcp_proxy.port}')
        with service_under_test(
            tmp_path, 'sqlite', STORAGE_URL=url, STORAGE_SPOOL=f'{tmp_path}/spool', **server.keys
        ) as service:
            wait_for(service, 200, storage='ok')
            tcp_proxy.freeze()
            wait_for(service, 503, storage='silent|down', database='ok')
            tcp_proxy.thaw()
            wait_for(service, 200, storage='ok')
        tcp_proxy.shut()


def test_readyz_shows_a_storage_volume_that_is_not_mounted(tmp_path: Path) -> None:
    storage = tmp_path / 'storage'
    with service_under_test(tmp_path, 'sqlite') as service:
        create_users(service, 'ada')
        token = log_in(service, 'ada').json()['data']['token']
        assert upload(service, token) == 201
        wait_for(service, 200, storage='ok')
        storage.rename(tmp_path / 'volume')
        storage.mkdir()
        wait_for(service, 503, storage='missing')
        assert upload(service, token) == 503
        assert list(storage.iterdir()) == []
        storage.rmdir()
        (tmp_path / 'volume').rename(storage)
        assert upload(service, token) == 201
        wait_for(service, 200, storage='ok')


def test_readyz_shows_a_full_storage_as_degraded(tmp_path: Path) -> None:
    with (
        tmpfs(tmp_path / 'disk', '4m') as disk,
        service_under_test(tmp_path, 'sqlite', STORAGE_URL=f'file://{disk}/storage') as service,
    ):
        wait_for(service, 200, storage='ok')
        fill(disk, remaining=20_000)
        wait_for(service, 200, storage='full')
        assert write(service) == 202
        (disk / 'filler').unlink()
        wait_for(service, 200, storage='ok')


def test_readyz_shows_a_mail_server_that_is_down_or_silent(tmp_path: Path) -> None:
    port = free_port()
    with service_under_test(
        tmp_path, 'sqlite', MAIL_URL=f'smtp://127.0.0.1:{port}?tls=off'
    ) as service:
        wait_for(service, 200, mail='down')
    with listener() as silent, listener(b'220 ready\r\n') as greeting:
        for number, state in ((silent, 'down|silent'), (greeting, 'ok')):
            url = f'smtp://127.0.0.1:{number}?tls=off'
            with service_under_test(tmp_path, 'sqlite', MAIL_URL=url) as service:
                wait_for(service, 200, mail=state)


def test_readyz_shows_a_stopped_dispatcher(tmp_path: Path) -> None:
    with service_under_test(tmp_path, 'sqlite') as service:
        wait_for(service, 200, tasks='ok')
        assert service.supervisor
        [dispatcher] = [pid for pid in children(service.supervisor) if name_of(pid) == 'dispatcher']
        stop_outside_transactions(service, dispatcher)
        try:
            wait_for(service, 200, tasks='stopped')
        finally:
            # If a dispatcher does nothing for a minute, the supervisor has killed it.
            with suppress(ProcessLookupError):
                os.kill(dispatcher, signal.SIGCONT)
        wait_for(service, 200, tasks='ok')


def stop_outside_transactions(service: ServiceUnderTest, pid: int) -> None:
    """Pause a process at a moment when it does not hold the write lock of SQLite."""
    for _ in range(50):
        os.kill(pid, signal.SIGSTOP)
        try:
            with closing(
                sqlite3.connect(str(service.engine.url.database), timeout=0.2)
            ) as database:
                database.execute('BEGIN IMMEDIATE')
            return
        except sqlite3.OperationalError:
            os.kill(pid, signal.SIGCONT)
    raise AssertionError('the process always writes')


def test_outages_are_logged_without_a_request(tmp_path: Path) -> None:
    closed = free_port()
    with service_under_test(
        tmp_path, 'sqlite',
        MAIL_URL=f'smtp://127.0.0.1:{closed}?tls=off',
        REDIS_URL=f'redis://127.0.0.1:{closed}',
        FILES_SCANNER=f'clamd://127.0.0.1:{closed}',
    ):  # fmt: skip
        log = tmp_path / 'service.log'
        expected = [f'degraded: {name} is down' for name in ('mail', 'redis', 'scanner')]
        wait_until(lambda: all(line in log.read_text() for line in expected), 15)
