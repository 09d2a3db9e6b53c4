"""Clients of the service under test: single and concurrent requests, and measurements.

`ServiceUnderTest` in `harness.py` is a complete service in its own processes.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from threading import Barrier
from typing import Any

import requests

from .harness import ServiceUnderTest, children

# URLs, commands and tables of these features.
requires = ('auth',)

API = '/api/v1'
PASSWORD = 'Analytical engine, 1843'


def call(
    service: ServiceUnderTest, method: str, path: str, json: Any = None, **headers: str
) -> requests.Response:
    """Send one request to the API on a new connection."""
    named = {name.replace('_', '-'): value for name, value in headers.items()}
    return requests.request(method, service.url + API + path, json=json, headers=named, timeout=60)


def log_in(service: ServiceUnderTest, login: str, password: str = PASSWORD, **more: Any) -> Any:
    """Send a login; return the response."""
    body = {'user_or_email': login, 'password': password, **more}
    return call(service, 'POST', '/auth/sessions', body)


def create_users(service: ServiceUnderTest, *names: str) -> None:
    """Create users who can log in. All have the same password, so one hash suffices."""
    service.call_workload('/users', names=list(names), password=PASSWORD)


def run_concurrently(*calls: Callable[[], Any]) -> list[Any]:
    """Call functions in threads that start at the same time; return their results."""
    begin = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        begin.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


@dataclass
class HealthMonitor:
    """Repeated `/healthz` requests: response times, and the service's maximum memory."""

    service: ServiceUnderTest
    seconds: list[float] = field(default_factory=list)
    max_memory: int = 0
    failed: int = 0

    def probe(self) -> None:
        """Request `/healthz` once, and measure the memory of the service."""
        begin = time.monotonic()
        try:
            found = requests.get(f'{self.service.url}/healthz', timeout=10).status_code
        except requests.RequestException:
            found = 0
        self.seconds.append(time.monotonic() - begin)
        self.failed += found != 200
        self.max_memory = max(self.max_memory, memory_of(self.service))

    @property
    def p50(self) -> float:
        """The median response time, in seconds."""
        return median(self.seconds)

    @property
    def p99(self) -> float:
        """The 99th percentile of the response times, in seconds."""
        return sorted(self.seconds)[int(len(self.seconds) * 0.99)]


@contextmanager
def monitor_health(service: ServiceUnderTest) -> Iterator[HealthMonitor]:
    """Request `/healthz` 20 times a second while the block runs."""
    watch, over = HealthMonitor(service), threading.Event()

    def probe() -> None:
        while not over.wait(0.05):
            watch.probe()

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()


def memory_of(service: ServiceUnderTest) -> int:
    """Return the private memory of all web processes, in bytes."""
    found = 0
    for pid in [service.web.pid, *children(service.web.pid)]:
        try:
            lines = Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines()
        except OSError:
            continue
        private = [line for line in lines if line.startswith(('Private_Clean', 'Private_Dirty'))]
        found += sum(int(line.split()[1]) * 1024 for line in private)
    return found
