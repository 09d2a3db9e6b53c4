"""The complete service, run by gunicorn in separate processes with a migrated database."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.databases import prepared_database
from tests.kit.mailbox import mails_in
from tests.separate_app import migrate

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
START_TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class Service:
    """A running service: its URL, its folder, and the environment of its `flask` commands."""

    url: str
    var: Path
    env: dict[str, str]
    pid: int

    def flask(self, *arguments: str) -> str:
        """Run a `flask` command in the environment of the service; return the output."""
        return flask(self.env, *arguments)

    def mails(self) -> list[str]:
        """Wait for the first mail; return the text of all mails, oldest first."""
        wait_for(lambda: any((self.var / 'mail').glob('*.eml')))
        return [mail.text for mail in mails_in(self.var / 'mail')]


def flask(env: dict[str, str], *arguments: str) -> str:
    """Run a `flask` command in this environment; return the output."""
    command = [str(BIN / 'flask'), *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def running_service(var: Path, **settings: str) -> Iterator[Service]:
    """Start the service on an empty, migrated database, and stop it at the end."""
    dialect = 'postgresql' if os.environ.get('TEST_DATABASE_URL') else 'sqlite'
    with prepared_database(dialect, 'service', var, migrate) as database:
        env = {
            **inherited_environment(),
            'APP_ENV': 'development',
            'DATABASE_URL': database,
            'STORAGE_URL': f'file://{var}/storage',
            'MAIL_URL': f'file://{var}/mail',
            'MAINTENANCE_FILE': f'{var}/maintenance',
            'FILES_PUBLIC_FOLDER': f'{var}/public',
            'REDIS_URL': os.environ.get('TEST_REDIS_URL', ''),
            'PORT': str(free_port()),
            'WEB_CONCURRENCY': '2',
            **settings,
        }
        with started(env, var) as service:
            yield service


def inherited_environment() -> dict[str, str]:
    """Return the few variables of this process that all service processes inherit."""
    return {name: os.environ[name] for name in ('PATH', 'HOME', 'TMPDIR') if name in os.environ}


@contextmanager
def started(
    env: dict[str, str], var: Path, wrap: Callable[..., list[str]] = lambda *words: list(words)
) -> Iterator[Service]:
    """Start the service in this environment, and stop it at the end.

    :param wrap: extends the start command, as `UnprivilegedUser.command` does.
    """
    command = wrap(str(BIN / 'gunicorn'), '-c', 'config/gunicorn.py', 'wsgi:create_app()')
    with (var / 'service.log').open('wb') as log:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
    try:
        url = f'http://127.0.0.1:{env["PORT"]}'
        wait_for(lambda: is_serving(process, url, var / 'service.log'))
        yield Service(url, var, env, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def is_serving(process: 'subprocess.Popen[bytes]', url: str, log: Path) -> bool:
    """Return whether the service responds; fail with its log if its process has ended."""
    assert process.poll() is None, log.read_text()
    try:
        return requests.get(f'{url}/healthz', timeout=1).ok
    except (requests.ConnectionError, requests.Timeout):
        return False


def wait_for(condition: object) -> None:
    """Call a function until it returns true; fail after `START_TIMEOUT_SECONDS`."""
    assert callable(condition)
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, 'waited in vain'
        time.sleep(0.02)


def free_port() -> int:
    """Return a port on which no process listens."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port: int = probe.getsockname()[1]
        return port
