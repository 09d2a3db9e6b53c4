"""Start and stop of the two servers, and requests to them.

A server is stopped only by its own process id.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from benchmarks import measure
from benchmarks.errors import Failed
from benchmarks.pinning import on_other_cores

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 30


@dataclass
class Server:
    """A running gunicorn, and a client for it."""

    side: str
    pid: int
    port: int
    log: Path
    token: str = ''
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f'http://127.0.0.1:{self.port}'

    @property
    def headers(self) -> dict[str, str]:
        return {'Authorization': f'Bearer {self.token}'} if self.token else {}

    def cpu_seconds(self) -> float:
        return measure.cpu_seconds(self.pid)

    def request(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Send a request; return status and body.

        :raises HTTPError: for a status of 400 or more.
        """
        data = None if body is None else json.dumps(body).encode()
        headers = self.headers | ({'Content-Type': 'application/json'} if data else {})
        request = Request(self.url + path, data=data, headers=headers, method=method)
        with urlopen(request, timeout=60) as response:
            return response.status, response.read()

    def data(self, method: str, path: str, body: object = None) -> dict:
        """Send a request; return the `data` of its JSend response."""
        return json.loads(self.request(method, path, body)[1])['data']


@contextmanager
def serving(side: str, command: list[str], environ: dict[str, str], log: Path) -> Iterator[Server]:
    """Run a gunicorn command on a free port until the context exits."""
    port = free_port()
    environ = {name: value.replace('{port}', str(port)) for name, value in environ.items()}
    command = [part.replace('{port}', str(port)) for part in command]
    with log.open('ab') as output:
        process = subprocess.Popen(
            on_other_cores(command),
            cwd=ROOT,
            env=environ,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        server = Server(side, process.pid, port, log)
        _wait_until_up(server, process)
        yield server
    finally:
        end(process)


def gunicorn(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name('gunicorn')), *arguments]


def base_environ() -> dict[str, str]:
    """Return the environment variables that each server needs, without settings of the service."""
    kept = ('PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'VIRTUAL_ENV')
    return {name: os.environ[name] for name in kept if name in os.environ}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def _wait_until_up(server: Server, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            server.request('GET', '/healthz')
            return
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    tail = server.log.read_text(errors='replace')[-2000:]
    raise Failed(f'{server.side} did not start:\n{tail}')


def end(process: subprocess.Popen) -> None:
    """Stop the master with SIGTERM; after ten seconds, kill its process tree."""
    if process.poll() is not None:
        return
    members = measure.tree(process.pid)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        for pid in members:
            _kill(pid)
        process.wait()


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
