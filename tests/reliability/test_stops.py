"""Shutdown of the service: no client hangs.

If another instance runs behind the same proxy, no request is lost.
"""

import os
import signal
import socket
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.core.server.serving import small_service
from tests.servers.nginx import proxy

from .accounts import API, create_users, log_in
from .harness import IS_LONG, ServiceUnderTest, children, figure, service_under_test, wait_until

# URLs, commands and tables of these features.
requires = ('auth', 'files')

pytestmark = [pytest.mark.servers, pytest.mark.timeout(120)]

CLIENTS = 16
RESTARTS = 6 if IS_LONG else 2
HANGING_SECONDS = 3.0
ORPHAN_SECONDS = 10.0


def port_of(service: ServiceUnderTest) -> int:
    """Return the port on which a service listens."""
    return int(urlsplit(service.url).port or 0)


def is_listening(port: int) -> bool:
    """Return whether a process accepts connections on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(('127.0.0.1', port)) == 0


def is_running(pid: int) -> bool:
    """Return whether a process runs; a zombie process does not."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


def descendants(pid: int) -> list[int]:
    """Return the process ids of all descendants of a process."""
    return [found for child in children(pid) for found in (child, *descendants(child))]


@dataclass
class Load:
    """Clients that send GET and POST requests without a pause, some of them with keep-alive."""

    url: str
    statuses: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    over: threading.Event = field(default_factory=threading.Event)

    def run(self, number: int) -> None:
        """Send requests until `over` is set.

        Clients with an even number keep their connection between requests.
        """
        session = requests.Session()
        while not self.over.is_set():
            began = time.monotonic()
            method, path = ('POST', '/json') if number % 4 < 2 else ('GET', '/healthz')
            try:
                # So some requests are always in progress when the service stops.
                answer = session.request(method, self.url + path, json={}, timeout=20)
                self.statuses[f'{method} {answer.status_code}'] += 1
            except requests.RequestException as error:
                self.statuses[type(error).__name__] += 1
            self.slowest = max(self.slowest, time.monotonic() - began)
            if number % 2:
                session.close()
                session = requests.Session()


def test_sigterm_under_load_loses_no_request_behind_a_proxy(tmp_path: Path) -> None:
    with ExitStack() as stack:
        instances = [stack.enter_context(small_service(WEB_CONCURRENCY='2')) for _ in range(2)]
        ports = [instance.port for instance in instances]
        load = Load(f'http://127.0.0.1:{stack.enter_context(proxy(ports, tmp_path))}')
        threads = [threading.Thread(target=load.run, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        time.sleep(1)
        # As in a deployment: stop one instance, start a new one on the same port, then do the same
        # with the other.
        for number_of_restart in range(RESTARTS):
            stopped = instances[number_of_restart % 2]
            stopped.process.terminate()
            stopped.process.wait(20)
            time.sleep(0.5)
            started = stack.enter_context(small_service(PORT=str(stopped.port)))
            instances[number_of_restart % 2] = started
            time.sleep(1.5)
        load.over.set()
        for thread in threads:
            thread.join()

    figure(f'{RESTARTS} restarts: {dict(load.statuses)}, slowest {load.slowest:.2f} s')
    assert set(load.statuses) == {'GET 200', 'POST 200'}
    assert load.slowest <= HANGING_SECONDS


def test_sigkill_of_the_master_leaves_no_process_and_frees_the_port(tmp_path: Path) -> None:
    with service_under_test(tmp_path, 'sqlite') as service, ExitStack() as stack:
        create_users(service, 'slow')
        token = log_in(service, 'slow').json()['data']['token']
        head = (
            f'POST {API}/files?name=slow HTTP/1.1\r\nHost: localhost\r\n'
            f'Authorization: Bearer {token}\r\nContent-Length: 100000000\r\n\r\n'
        )
        slow_uploads = []
        for _ in range(8):
            sock = stack.enter_context(socket.create_connection(('127.0.0.1', port_of(service))))
            sock.sendall(head.encode() + b'x' * 40_000)
            slow_uploads.append(sock)
        time.sleep(0.5)
        processes = descendants(service.web.pid)
        assert len(processes) > 5
        service.web.kill()
        service.web.wait()
        began = time.monotonic()

        def is_over() -> bool:
            for sock in slow_uploads:
                with suppress(OSError):
                    sock.send(b'x' * 500)
            return not is_listening(port_of(service))

        wait_until(is_over, ORPHAN_SECONDS)
        port_free = time.monotonic() - began
        wait_until(lambda: is_over() and not any(map(is_running, processes)), ORPHAN_SECONDS)
        ended = time.monotonic() - began

    figure(
        f'port free after {port_free:.1f} s, {len(processes)} processes ended after {ended:.1f} s'
    )
    assert ended <= ORPHAN_SECONDS


def test_shutdown_delay_fails_readyz_before_the_listeners_close(tmp_path: Path) -> None:
    with service_under_test(tmp_path, 'sqlite', SHUTDOWN_DELAY='2') as service:
        wait_until(lambda: requests.get(f'{service.url}/readyz', timeout=5).ok, 20)
        os.kill(service.web.pid, signal.SIGTERM)
        began = time.monotonic()

        wait_until(lambda: requests.get(f'{service.url}/readyz', timeout=5).status_code == 503, 1)
        assert requests.get(f'{service.url}/healthz', timeout=5).ok
        wait_until(lambda: not is_listening(port_of(service)), 5)
        assert 1.5 < time.monotonic() - began < 4
        assert service.web.wait(30) == 0
