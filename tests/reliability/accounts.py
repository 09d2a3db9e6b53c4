"""Accounts over the wire: many clients at once, and what they measure."""

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

from .harness import Attacked, children

API = '/api/v1'
PASSWORD = 'Analytical engine, 1843'


def call(
    service: Attacked, method: str, path: str, json: Any = None, **headers: str
) -> requests.Response:
    """Send one request, on a connection of its own."""
    named = {name.replace('_', '-'): value for name, value in headers.items()}
    return requests.request(method, service.url + API + path, json=json, headers=named, timeout=60)


def log_in(service: Attacked, login: str, password: str = PASSWORD, **more: Any) -> Any:
    """Try to log in."""
    body = {'user_or_email': login, 'password': password, **more}
    return call(service, 'POST', '/auth/sessions', body)


def make_users(service: Attacked, *names: str) -> None:
    """Make users who can log in: all have one password, hashed once."""
    service.call_workload('/users', names=list(names), password=PASSWORD)


def run_concurrently(*calls: Callable[[], Any]) -> list[Any]:
    """Call all of them from threads that start together."""
    begin = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        begin.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


@dataclass
class Watch:
    """How long `/healthz` took meanwhile, and how much memory the service had."""

    service: Attacked
    seconds: list[float] = field(default_factory=list)
    most_memory: int = 0
    failed: int = 0

    def look(self) -> None:
        """Ask once."""
        begin = time.monotonic()
        try:
            found = requests.get(f'{self.service.url}/healthz', timeout=10).status_code
        except requests.RequestException:
            found = 0
        self.seconds.append(time.monotonic() - begin)
        self.failed += found != 200
        self.most_memory = max(self.most_memory, memory_of(self.service))

    @property
    def p50(self) -> float:
        """The median."""
        return median(self.seconds)

    @property
    def p99(self) -> float:
        """What 99 of 100 did not take longer than."""
        return sorted(self.seconds)[int(len(self.seconds) * 0.99)]


@contextmanager
def watching(service: Attacked) -> Iterator[Watch]:
    """Ask `/healthz` 20 times a second while the block runs."""
    watch, over = Watch(service), threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            watch.look()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()


def memory_of(service: Attacked) -> int:
    """Return the bytes that all web processes have for themselves."""
    found = 0
    for pid in [service.web.pid, *children(service.web.pid)]:
        try:
            lines = Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines()
        except OSError:
            continue
        private = [line for line in lines if line.startswith(('Private_Clean', 'Private_Dirty'))]
        found += sum(int(line.split()[1]) * 1024 for line in private)
    return found
