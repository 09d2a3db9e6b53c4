"""Helpers that run a real server on a free port and connect to it with raw sockets."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent


@dataclass
class Answer:
    """A parsed HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the decoded body; check that its content type is JSON."""
        assert self.headers['content-type'] == 'application/json'
        return json.loads(self.body)


@dataclass
class Client:
    """A TCP connection to the server that sends exactly the given bytes."""

    port: int
    timeout: float = 5.0
    sock: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self.sock = socket.create_connection(('127.0.0.1', self.port), timeout=self.timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile('rb')

    def __enter__(self) -> 'Client':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self.file.close()
        self.sock.close()

    def send(self, data: bytes) -> None:
        """Send bytes without waiting for a response."""
        self.sock.sendall(data)

    def answer(self) -> Answer:
        """Return the next response; `100 Continue` counts as one."""
        status = int(self.file.readline().split()[1])
        headers = {}
        while line := self.file.readline().strip():
            name, _, value = line.decode('latin-1').partition(':')
            headers[name.lower()] = value.strip()
        return Answer(status, headers, self.file.read(int(headers.get('content-length', 0))))

    def ask(self, data: bytes) -> Answer:
        """Send bytes and return the next response."""
        self.send(data)
        return self.answer()

    def is_closed(self) -> bool:
        """Wait for the next byte; return whether the server closes the connection instead."""
        try:
            return self.file.read(1) == b''
        except ConnectionResetError:
            return True


def get(path: str = '/healthz', *headers: str) -> bytes:
    """Return the bytes of a complete GET request."""
    return '\r\n'.join((f'GET {path} HTTP/1.1', 'Host: localhost', *headers, '', '')).encode()


def post(length: int, *headers: str, path: str = '/echo') -> bytes:
    """Return the head of a POST request, without its body."""
    lines = (f'POST {path} HTTP/1.1', 'Host: localhost', f'Content-Length: {length}', *headers)
    return '\r\n'.join((*lines, '', '')).encode()


def free_port() -> int:
    """Return a port on which no process listens."""
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return int(sock.getsockname()[1])


def wait_for(port: int, process: 'subprocess.Popen[Any]', seconds: float = 10) -> None:
    """Wait until the process listens on the port; fail if it ends or takes too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            Client(port).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f'{process.args!r} does not listen (exit code {process.poll()})')


@contextmanager
def running(command: list[str], port: int, **environment: str) -> Iterator['subprocess.Popen[Any]']:
    """Run a server command until the end of the block.

    Begins the block when the port of the server accepts connections.
    """
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment)
    try:
        wait_for(port, process)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass
class Service:
    """A running gunicorn with the application of `small_app.py`."""

    port: int
    process: 'subprocess.Popen[Any]'


@contextmanager
def small_service(
    *options: str, app: str = 'tests.core.server.small_app:create_app()', **settings: str
) -> Iterator[Service]:
    """Run the application of `small_app.py` in gunicorn, by default with one web worker."""
    port = int(settings.get('PORT', 0)) or free_port()
    command = [str(BIN / 'gunicorn'), '-c', 'config/gunicorn.py', *options, app]
    # Start no task workers, unless the caller sets these variables. Use production, because the
    # class of `testing` overrides variables.
    defaults = {
        'APP_ENV': 'production', 'TASKS_CONCURRENCY': '0', 'TASKS_BROKER_URL': '',
        'WEB_CONCURRENCY': '1',
    }  # fmt: skip
    settings = defaults | settings
    settings |= {'PORT': str(port), 'HOST': '127.0.0.1'}
    with running(command, port, **settings) as process:
        yield Service(port, process)
