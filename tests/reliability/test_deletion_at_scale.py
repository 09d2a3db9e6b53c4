"""Deletion of very many rows on PostgreSQL: transactions are short, so other users do not wait."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from .accounts import API, PASSWORD, call, create_users, log_in
from .harness import IS_LONG, ServiceUnderTest, figure, kill, service_under_test, wait_until

# URLs, commands and tables of these features.
requires = ('auth', 'files')

pytestmark = [pytest.mark.servers, pytest.mark.timeout(3600)]

FILES = 100_000 if IS_LONG else 5_000
SESSIONS, DEVICES = (1_000_000, 1_000) if IS_LONG else (20_000, 100)
# The machine can be slow while other tests run.
MAX_SECONDS = 1.0 if IS_LONG else 5.0
WAIT_SECONDS = 600 if IS_LONG else 60

MULTIPLY_FILES = """
WITH one AS (SELECT * FROM files WHERE owner_id = {owner} AND name = 'seed'),
added AS (
    INSERT INTO files (id, owner_id, name, size, type, sha256, current_version, row_version,
                       created_at, updated_at, trashed_at)
    SELECT gen_random_uuid(), owner_id, 'file' || number, size, type, sha256, 1, 1,
           created_at, updated_at, {trashed_at}
    FROM one, generate_series(1, {count}) AS number RETURNING id, size, type, sha256, created_at
), versions AS (
    INSERT INTO files_versions (file_id, number, size, type, sha256, created_at)
    SELECT id, 1, size, type, sha256, created_at FROM added RETURNING file_id
), tags AS (
    INSERT INTO files_tags (file_id, tag) SELECT id, 'red' FROM added RETURNING file_id
)
UPDATE files_usage SET used = used + (SELECT sum(size) FROM added) WHERE user_id = {owner}
"""

ADD_DEVICES = """
INSERT INTO auth_devices (id, user_id, token_hash, network, user_agent, created_at, last_used_at,
                          expires_at, has_passed_second_factor)
SELECT gen_random_uuid(), {owner}, md5(number::text), '', '', now(), now(),
       now() - number * interval '1 second', false
FROM generate_series(1, {devices}) AS number
"""

# A tenth of the sessions has expired. A third belongs to devices that have expired.
ADD_SESSIONS = """
WITH devices AS (SELECT id, row_number() OVER () AS number FROM auth_devices)
INSERT INTO auth_sessions (id, user_id, token_hash, expires_at, ip_address, user_agent, created_at,
                           authenticated_at, last_used_at, refresh_expires_at, absolute_expires_at,
                           device_id)
SELECT gen_random_uuid(), {owner}, md5('s' || session), now(), '192.0.2.1', 'browser', now(), now(),
       now(), now() + CASE WHEN mod(session, 10) = 0 THEN -1 ELSE 1 END * interval '1 day', now(),
       devices.id
FROM generate_series(1, {sessions}) AS session
LEFT JOIN devices ON devices.number = mod(session, {devices} * 3)
"""


@dataclass
class LongestTransaction:
    """The longest database transaction of the service: its duration and its statement.

    :param since: transactions that began before this time do not count.
    """

    since: str
    seconds: float = 0.0
    query: str = ''

    def update(self, service: ServiceUnderTest) -> None:
        """Read the current transactions of the service, and keep the longest."""
        for seconds, query in service.rows(
            'SELECT extract(epoch FROM clock_timestamp() - xact_start), query '
            'FROM pg_stat_activity WHERE datname = current_database() '
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend' "
            f"AND xact_start > '{self.since}'"
        ):
            if seconds > self.seconds:
                self.seconds, self.query = float(seconds), query[:200]


@dataclass
class OtherUsers:
    """Requests of other users during the deletion, and the responses."""

    service: ServiceUnderTest
    calls: dict[str, Callable[[], requests.Response]]
    seconds: dict[str, list[float]] = field(default_factory=dict)
    codes: Counter[int] = field(default_factory=Counter)
    longest: LongestTransaction = field(init=False)
    _is_over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.longest = LongestTransaction(str(self.service.scalar('SELECT clock_timestamp()')))

    def _repeat(self, name: str) -> None:
        while not self._is_over.wait(0.05):
            began = time.monotonic()
            self.codes[self.calls[name]().status_code] += 1
            self.seconds.setdefault(name, []).append(time.monotonic() - began)

    def _watch(self) -> None:
        while not self._is_over.wait(0.02):
            self.longest.update(self.service)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Repeat the requests until the end of the block."""
        threads = [threading.Thread(target=self._repeat, args=(name,)) for name in self.calls]
        threads.append(threading.Thread(target=self._watch))
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            for thread in threads:
                thread.join()

    def report(self) -> str:
        """Return a text with the statuses, the slowest requests and the longest transaction."""
        slowest = {name: f'{max(found):.2f} s' for name, found in self.seconds.items()}
        longest = f'{self.longest.seconds:.2f} s ({self.longest.query[:40]})'
        return f'others {dict(self.codes)}, slowest {slowest}, longest transaction {longest}'


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ServiceUnderTest]:
    """Run a service with three users, one of them an admin."""
    with service_under_test(tmp_path / 'var', 'postgresql') as service:
        create_users(service, 'ada', 'bob', 'grace')
        service.flask('users', 'grant', 'grace', 'admin')
        yield service


def bearer(service: ServiceUnderTest, name: str) -> dict[str, str]:
    """Log a user in; return the `Authorization` header for further requests."""
    token = log_in(service, name).json()['data']['token']
    return {'Authorization': f'Bearer {token}'}


def id_of(service: ServiceUnderTest, name: str) -> int:
    """Return the id of a user."""
    found: int = service.scalar(f"SELECT id FROM users WHERE username = '{name}'")
    return found


def execute(service: ServiceUnderTest, statement: str, **values: Any) -> None:
    """Execute an SQL statement on the database of the service."""
    with service.engine.connect() as connection:
        connection.exec_driver_sql(statement.format(**values))
        connection.exec_driver_sql('ANALYZE')


def seed(service: ServiceUnderTest, headers: dict[str, str], *, trashed: bool) -> int:
    """Create many files of Ada, all with the same content."""
    url = f'{service.url}{API}/files?name=seed'
    assert requests.post(url, data=b'bytes', headers=headers, timeout=20).status_code == 201
    owner = id_of(service, 'ada')
    moment = "now() - interval '1 hour'" if trashed else 'NULL'
    execute(service, MULTIPLY_FILES, owner=owner, count=FILES, trashed_at=moment)
    return owner


def other_users(service: ServiceUnderTest) -> OtherUsers:
    """Return the requests that two other users repeat during the deletion."""
    grace, bob = bearer(service, 'grace'), bearer(service, 'bob')
    path, roles = f'/users/{id_of(service, "bob")}/roles', {'roles': ['member']}
    return OtherUsers(service, {
        'roles': lambda: call(service, 'PUT', path, roles, **grace),
        'log in': lambda: log_in(service, 'grace'),
        'me': lambda: call(service, 'GET', '/users/me', **bob),
        'change me': lambda: call(service, 'PATCH', '/users/me', {'bio': 'x'}, **bob),
    })  # fmt: skip


def test_delete_a_user_with_many_files(service: ServiceUnderTest) -> None:
    owner = seed(service, bearer(service, 'ada'), trashed=False)
    grace, busy = bearer(service, 'grace'), other_users(service)

    with busy.busy():
        began = time.monotonic()
        answer = call(service, 'DELETE', f'/users/{owner}', **grace)
        seconds = time.monotonic() - began
        again = call(service, 'GET', f'/users/{owner}', **grace)
        if IS_LONG:
            # Another worker continues when the lease of the killed worker expires, after 20
            # seconds.
            wait_until(lambda: service.scalar('SELECT count(*) FROM files') < FILES * 0.7, 60)
            for pid in service.workers:
                kill(pid)
        remaining = f'SELECT count(*) FROM users WHERE id = {owner}'
        wait_until(lambda: service.scalar(remaining) == 0, WAIT_SECONDS)
        erased = time.monotonic() - began

    figure(
        f'deleting a user with {FILES:,} files: answered in {seconds:.2f} s, erased in '
        f'{erased:.0f} s; {busy.report()}'
    )
    assert (answer.status_code, again.status_code) == (200, 404)
    assert seconds <= MAX_SECONDS
    assert set(busy.codes) <= {200, 201}
    assert busy.longest.seconds <= MAX_SECONDS
    for table in ('files', 'files_versions', 'files_tags', 'files_usage'):
        assert service.scalar(f'SELECT count(*) FROM {table}') == 0
    service.flask('files', 'sweep')
    service.flask('files', 'fsck')


def test_empty_a_trash_with_many_files(service: ServiceUnderTest) -> None:
    ada = bearer(service, 'ada')
    owner = seed(service, ada, trashed=True)
    kept = service.scalar("SELECT id FROM files WHERE name = 'seed'")
    usage = (
        'SELECT used - (SELECT coalesce(sum(v.size), 0) FROM files_versions v), used '
        f'FROM files_usage WHERE user_id = {owner}'
    )
    busy, seen = other_users(service), []

    with busy.busy():
        began = time.monotonic()
        answer = call(service, 'DELETE', '/files/trash', **ada)
        seconds = time.monotonic() - began
        listed = call(service, 'GET', '/files?trashed=true', **ada).json()['data']['items']
        call(service, 'DELETE', f'/files/{kept}', **ada)

        def is_empty() -> bool:
            seen.extend(service.rows(usage))
            return bool(seen[-1][1] == len(b'bytes'))

        wait_until(is_empty, WAIT_SECONDS)
        emptied = time.monotonic() - began

    figure(
        f'emptying a trash of {FILES:,} files: answered in {seconds:.2f} s, deleted in '
        f'{emptied:.0f} s; {busy.report()}'
    )
    assert answer.status_code == 200
    assert listed == []
    assert seconds <= MAX_SECONDS
    assert set(busy.codes) <= {200, 201}
    assert busy.longest.seconds <= MAX_SECONDS
    # The usage always equals the total size of the stored versions.
    assert {difference for difference, _ in seen} == {0}
    assert service.rows('SELECT id FROM files') == [(kept,)]


def test_clean_up_many_sessions_and_devices(service: ServiceUnderTest) -> None:
    owner = id_of(service, 'ada')
    execute(service, ADD_DEVICES, owner=owner, devices=DEVICES)
    execute(service, ADD_SESSIONS, owner=owner, devices=DEVICES, sessions=SESSIONS)
    busy = other_users(service)

    with busy.busy():
        began = time.monotonic()
        service.flask('auth', 'sweep')
        seconds = time.monotonic() - began

    figure(
        f'cleaning up {SESSIONS:,} sessions, {SESSIONS // 10:,} of them and {DEVICES:,} devices '
        f'expired: {seconds:.1f} s; {busy.report()}'
    )
    assert busy.longest.seconds <= MAX_SECONDS
    assert set(busy.codes) <= {200, 201}
    assert service.scalar('SELECT count(*) FROM auth_devices WHERE expires_at < now()') == 0
    expired = 'SELECT count(*) FROM auth_sessions WHERE refresh_expires_at < now()'
    assert service.scalar(expired) == 0
    live = "SELECT count(*) FROM auth_sessions WHERE user_agent = 'browser'"
    assert service.scalar(live) == SESSIONS - SESSIONS // 10
    assert log_in(service, 'ada', PASSWORD).status_code == 201
