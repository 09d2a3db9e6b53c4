"""Repeated requests with an `Idempotency-Key`: each has one effect, whatever fails.

The effect is a new version of a file. No constraint prevents a second one, so tests can detect it.
"""

import random
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import requests
from sqlalchemy import text

from .accounts import API, create_users, log_in, run_concurrently
from .harness import IS_LONG, ServiceUnderTest, figure, kill, service_under_test

# URLs, commands and tables of these features.
requires = ('auth', 'files')

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1800)]

ROUNDS = 200 if IS_LONG else 5
CONCURRENT_REQUESTS = 20
# A request takes about 10 ms, so the interruption comes before, during and after it.
MAX_DELAY_SECONDS = 0.03


@dataclass
class Restorer:
    """A client that restores a version of its file, and the service."""

    service: ServiceUnderTest
    user_id: int
    token: str
    file_id: str = ''

    @property
    def path(self) -> str:
        """The path of the request."""
        return f'{API}/files/{self.file_id}/versions/1/restore'

    def upload(self) -> None:
        """Upload another file: the service keeps only the newest versions of a file."""
        headers = {'Authorization': f'Bearer {self.token}'}
        url = f'{self.service.url}{API}/files?name=a'
        response = requests.post(url, data=b'a', headers=headers, timeout=60)
        self.file_id = response.json()['data']['id']

    def restore(self, key: str) -> requests.Response:
        """Send one request on a new connection."""
        headers = {'Authorization': f'Bearer {self.token}', 'Idempotency-Key': key}
        return requests.post(self.service.url + self.path, headers=headers, timeout=60)

    def restore_until_done(self, key: str) -> requests.Response:
        """Repeat a request as a client does whose request may have failed."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                response = self.restore(key)
            except requests.ConnectionError:
                time.sleep(0.02)
                continue
            if response.status_code not in (409, 503):
                return response
            time.sleep(0.02)
        raise AssertionError('the service does not respond')

    def send_without_reading(self, key: str) -> socket.socket:
        """Send a request; return the connection without reading the response."""
        target = urlsplit(self.service.url)
        connection = socket.create_connection((target.hostname, target.port))
        connection.sendall(
            f'POST {self.path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n'
            f'Authorization: Bearer {self.token}\r\nIdempotency-Key: {key}\r\n\r\n'.encode()
        )
        return connection

    @property
    def effects(self) -> int:
        """The number of restored versions of the newest file."""
        newest = 'SELECT id FROM files ORDER BY created_at DESC LIMIT 1'
        count = f'SELECT count(*) FROM files_versions WHERE file_id = ({newest})'
        return int(self.service.scalar(count)) - 1


@pytest.fixture(scope='module', params=['sqlite', 'postgresql'])
def restorer(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Restorer]:
    """Yield a client of a service with two web workers."""
    folder: Path = tmp_path_factory.mktemp('idempotency')
    with service_under_test(folder, request.param) as service:
        create_users(service, 'ada')
        session = log_in(service, 'ada').json()['data']
        yield Restorer(service, session['user']['id'], session['token'])


def test_simultaneous_requests_with_one_key_have_one_effect(restorer: Restorer) -> None:
    statuses: Counter[str] = Counter()
    for _ in range(ROUNDS):
        restorer.upload()
        key = str(uuid4())

        calls = [lambda key=key: restorer.restore(key)] * CONCURRENT_REQUESTS
        responses = run_concurrently(*calls)

        done = [response for response in responses if response.ok]
        assert restorer.effects == 1
        assert len({response.text for response in done}) == 1
        assert sum('Idempotency-Replayed' not in response.headers for response in done) == 1
        statuses.update(
            'replayed' if 'Idempotency-Replayed' in response.headers else str(response.status_code)
            for response in responses
        )
    figure(f'{restorer.service.engine.name}: {ROUNDS} × {CONCURRENT_REQUESTS}: {dict(statuses)}')
    assert set(statuses) <= {'200', 'replayed', '409'}


def test_an_interrupted_and_repeated_request_has_one_effect(restorer: Restorer) -> None:
    outcomes: Counter[str] = Counter()
    for number in range(ROUNDS):
        restorer.upload()
        key = str(uuid4())

        is_kill = number % 2 == 0
        with restorer.send_without_reading(key):
            time.sleep(random.uniform(0, MAX_DELAY_SECONDS))
            if is_kill:
                for pid in restorer.service.web_workers:
                    kill(pid)
        response = restorer.restore_until_done(key)

        replayed = 'replayed' if 'Idempotency-Replayed' in response.headers else 'repeated'
        outcomes[f'{"killed" if is_kill else "response lost"}, {replayed}'] += 1
        assert response.status_code == 200
        assert restorer.effects == 1
    figure(f'{restorer.service.engine.name}: {ROUNDS} interruptions: {dict(outcomes)}')


@pytest.mark.parametrize('restorer', ['postgresql'], indirect=True)
def test_a_request_that_is_still_running_returns_409(restorer: Restorer) -> None:
    """On SQLite, the second request waits until the first one has ended."""
    restorer.upload()
    key = str(uuid4())
    route = 'POST /api/v1/files/<uuid:file_id>/versions/<int:number>/restore'
    scope = f'idempotency:{restorer.user_id}\n{route}\n{sha256(key.encode()).hexdigest()}'
    number = int.from_bytes(sha256(scope.encode()).digest()[:8], signed=True)
    with restorer.service.engine.connect() as connection:
        connection.execute(text(f'SELECT pg_advisory_lock({number})'))
        while_running = restorer.restore(key)
        connection.execute(text(f'SELECT pg_advisory_unlock({number})'))

    assert while_running.status_code == 409
    assert list(while_running.json()['data']) == ['idempotency_key']
    assert restorer.restore(key).status_code == 200
