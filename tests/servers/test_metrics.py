"""Metrics of the running service, and the alerts that use them."""

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from os import kill
from pathlib import Path

import pytest
import requests

from tests.reliability.harness import children
from tests.service import ROOT, Service, free_port, running_service, wait_for

# One of the alerts uses a metric of this feature.
requires = ('auth', 'files')

pytestmark = pytest.mark.servers

PROMETHEUS = ROOT / 'deploy/prometheus'


@pytest.fixture(scope='module')
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run the service with metrics. It deletes their folder when it stops."""
    var, temporary = tmp_path_factory.mktemp('metrics'), tmp_path_factory.mktemp('temporary')
    address = f'127.0.0.1:{free_port()}'
    with running_service(var, METRICS_ADDRESS=address, TMPDIR=str(temporary)) as service:
        assert len(list(temporary.glob('metrics-*'))) == 1
        yield service
    assert not list(temporary.glob('metrics-*'))


def scrape(service: Service) -> dict[str, float]:
    """Return the exported values by name and labels."""
    url = f'http://{service.env["METRICS_ADDRESS"]}/metrics'
    lines = requests.get(url, timeout=5).text.splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(' ') for line in lines if line[0] != '#')
    }


def test_counts_requests_tasks_mails_and_events(service: Service) -> None:
    account = {'email': 'ada@example.com', 'username': 'ada', 'password': 'correct horse battery'}
    requests.post(f'{service.url}/api/v1/auth/accounts', json=account, timeout=10)
    requests.get(f'{service.url}/api/v1/gone/{"x" * 9}', timeout=5)
    service.mails()
    route = 'http_route="/api/v1/auth/accounts"'
    duration = 'http_server_request_duration_seconds_count'
    labels = f'{{http_request_method="POST",http_response_status_code="202",{route}}}'
    expected = {
        duration + labels: 1,
        'mail_sent_total{template="verification"}': 1,
        'tasks_attempts_total{outcome="done",task="core.deliver_mail"}': 1,
        'auth_security_events_total{event="registered",outcome="success"}': 1,
        'service_dependency_ready{dependency="database",state="ok"}': 1,
        'http_server_threads{kind="ordinary"}': 16,
    }
    # Each process stores its values once a second.
    wait_for(lambda: expected.items() <= scrape(service).items())
    found = scrape(service)
    # The paths of unknown URLs are not labels, because clients choose them.
    assert not any('gone' in name for name in found)


def test_another_process_takes_over(service: Service) -> None:
    requests.get(f'{service.url}/healthz', timeout=5)
    name = (
        'http_server_request_duration_seconds_count{http_request_method="GET",'
        'http_response_status_code="200",http_route="/healthz"}'
    )
    wait_for(lambda: name in scrape(service))
    before = scrape(service)[name]

    def is_exported() -> bool:
        try:
            return scrape(service)[name] >= before
        except requests.ConnectionError:
            return False

    # One of these three processes, or a child of it, exports the metrics.
    for ended in children(service.pid):
        kill(ended, signal.SIGKILL)
        wait_for(is_exported)
    # The gauges of the killed processes are gone: the two workers have 8 threads each.
    wait_for(lambda: scrape(service).get('http_server_threads{kind="ordinary"}') == 16)


def test_counts_a_response_that_its_client_leaves(service: Service) -> None:
    published = service.var / 'public/large'
    published.parent.mkdir(exist_ok=True)
    published.write_bytes(bytes(30_000_000))
    host, port = service.url.removeprefix('http://').split(':')
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b'GET /api/v1/files/public/large HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
        assert client.recv(1000)
    name = 'http_server_responses_cut_total{http_route="/api/v1/files/public/<path:filename>"}'
    wait_for(lambda: scrape(service).get(name) == 1)


def test_alerts_and_dashboards_are_valid(tmp_path: Path) -> None:
    dashboard = json.loads((ROOT / 'deploy/grafana/overview.json').read_text())
    expressions = [t['expr'] for panel in dashboard['panels'] for t in panel['targets']]
    rules = [{'record': f'panel:{n}', 'expr': text} for n, text in enumerate(expressions)]
    path = tmp_path / 'panels.yml'
    path.write_text(json.dumps({'groups': [{'name': 'panels', 'rules': rules}]}))
    promtool('check', 'rules', str(path), str(PROMETHEUS / 'alerts.yml'))
    promtool('test', 'rules', str(PROMETHEUS / 'alerts_test.yml'))


def promtool(*arguments: str) -> None:
    """Run `promtool`; fail with its output."""
    done = subprocess.run(['promtool', *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
