"""`flask doctor` with real servers: PostgreSQL, S3, RabbitMQ, and nginx in front of the service."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from project.core.errors import ServiceUnavailable
from project.core.observability.health.inspections import round_trip_fault
from project.core.storage import storage_from_url
from tests.core.apps import kernel_app
from tests.listeners import listener
from tests.reliability.harness import address_of
from tests.seaweed import running_seaweed
from tests.service import BIN, ROOT, Service, running_service

from .nginx import proxy

pytestmark = [pytest.mark.servers, pytest.mark.timeout(120)]


@pytest.fixture(scope='module')
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run the service, with one trusted proxy."""
    with running_service(tmp_path_factory.mktemp('service'), TRUSTED_PROXIES='1') as service:
        yield service


def doctor(service: Service, *options: str, **changes: str) -> dict[str, list[tuple[str, str]]]:
    """Run the command; return state and text of the findings, by the name of the check."""
    command = [str(BIN / 'flask'), 'doctor', '--json', *options]
    done = subprocess.run(
        command, cwd=ROOT, env={**service.env, **changes}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    found: dict[str, list[tuple[str, str]]] = {}
    for row in json.loads(done.stdout):
        found.setdefault(row['name'], []).append((row['state'], row['seen']))
    assert 'Traceback' not in done.stderr
    has_failed = any(state == 'failed' for rows in found.values() for state, _ in rows)
    assert done.returncode == int(has_failed)
    return found


class TestWithTheService:
    def test_finds_no_failure(self, service: Service) -> None:
        found = doctor(service)

        for name in ('database', 'migrations', 'storage', 'tasks', 'application', 'clock'):
            assert {state for state, _ in found[name]} == {'ok'}, found[name]
        names = {seen.partition(':')[0] for _, seen in found['clock']}
        is_postgresql = service.env['DATABASE_URL'].startswith('postgresql')
        assert names == {'storage', *(['database'] if is_postgresql else [])}

    def test_counts_the_proxies(self, service: Service, tmp_path: Path) -> None:
        with proxy(urlsplit(service.url).port or 0, tmp_path) as port:
            through = doctor(service, '--url', f'http://127.0.0.1:{port}')
        direct = doctor(service, '--url', service.url)

        assert through['proxies'] == [('ok', 'proxies: 1, address of this client: 127.0.0.1')]
        [(state, seen)] = direct['proxies']
        assert (state, 'clients can choose their IP address' in seen) == ('failed', True)

    def test_rejects_the_service_with_another_key(self, service: Service) -> None:
        key = 'q8Zr2vLx0mWc5nTy7bKd1hFj4gPs6aEu9iOo3RtY'

        [(state, seen)] = doctor(service, '--url', service.url, SECRET_KEY=key)['proxies']

        assert state == 'failed'
        assert 'another SECRET_KEY or service' in seen

    def test_names_servers_that_reject_the_password(self, service: Service) -> None:
        broker = address_of('amqp').replace('guest:guest@', 'guest:wrong@')

        found = doctor(service, TASKS_BROKER_URL=broker)

        assert [state for state, _ in found['broker']] == ['failed']
        assert 'wrong' not in str(found)

    def test_ends_in_time_if_every_server_is_silent(self, service: Service) -> None:
        with listener() as port:
            found = doctor(
                service,
                DATABASE_URL=f'postgresql://ada:hunter2hunter2@127.0.0.1:{port}/api',
                REDIS_URL=f'redis://127.0.0.1:{port}',
                TASKS_BROKER_URL=f'amqp://ada:hunter2hunter2@127.0.0.1:{port}',
                MAIL_URL=f'smtp://127.0.0.1:{port}',
                STORAGE_URL=f's3://bucket?endpoint=http://127.0.0.1:{port}',
                AWS_ACCESS_KEY_ID='key',
                AWS_SECRET_ACCESS_KEY='hunter2hunter2',
            )

        for name in ('broker', 'database', 'mail', 'migrations', 'redis', 'storage'):
            assert 'failed' in {state for state, _ in found[name]}, name
        assert 'hunter2' not in str(found)


class TestS3:
    def test_stores_reads_and_deletes_an_object(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with (
            running_seaweed(tmp_path) as server,
            kernel_app(tmp_path, STORAGE_SPOOL=f'{tmp_path}/spool') as app,
        ):
            for name, value in server.keys.items():
                monkeypatch.setenv(name, value)
            place = storage_from_url(app, server.url)

            assert round_trip_fault(place) == ''
            assert list(place.iterate_names()) == []
            assert place.server_time() > 1_700_000_000

            missing = storage_from_url(app, server.url.replace('s3://bucket', 's3://missing'))
            with pytest.raises(ServiceUnavailable):
                round_trip_fault(missing)
