"""The service under test: a complete service in its own processes.

It uses SQLite or PostgreSQL, with or without a broker.
"""

import fcntl
import json
import os
import random
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from sqlalchemy import Engine, create_engine, text

from project.core.task_workers import worker_queues
from tests.databases import prepared_database
from tests.service import BIN, ROOT, free_port, inherited_environment, is_serving

# The variables with the URLs of the servers; `.ci/run` sets them. If a variable is missing, the
# tests fail instead of being skipped.
SERVERS = {
    'postgresql': 'TEST_DATABASE_URL',
    'amqp': 'TEST_AMQP_URL',
    'redis': 'TEST_REDIS_URL',
}

APP = 'tests.reliability.workload'
IS_LONG = bool(os.environ.get('SOAK'))
LEASE = 20.0  # seconds: project.core.tasks.leases.LEASE_DURATION


@dataclass
class ServiceUnderTest:
    """A running service, with access to its database and its processes."""

    url: str
    var: Path
    env: dict[str, str]
    engine: Engine
    web: 'subprocess.Popen[bytes]'
    task_service: 'subprocess.Popen[bytes] | None' = None
    longest_running: float = 0.0
    _watching: threading.Event = field(default_factory=threading.Event)

    def flask(self, *arguments: str) -> str:
        """Run a `flask` command in the environment of the service; return its output."""
        return flask(self.env, *arguments)

    def enqueue(self, name: str, count: int, milliseconds: int = 20, owner: int = 0) -> None:
        """Enqueue `count` tasks with one request."""
        self.call_workload('/tasks', name=name, count=count, milliseconds=milliseconds, owner=owner)

    def call_workload(self, path: str, **body: Any) -> None:
        """Call a route of `workload.py`, because a command would take a second to start."""
        answer = requests.post(self.url + path, json=body, timeout=60)
        assert answer.ok, answer.text

    def scalar(self, statement: str) -> Any:
        """Query one value from the database of the service."""
        with self.engine.connect() as connection:
            return connection.execute(text(statement)).scalar()

    def rows(self, statement: str) -> list[Any]:
        """Query rows from the database of the service."""
        with self.engine.connect() as connection:
            return list(connection.execute(text(statement)).all())

    def jobs(self, *options: str) -> list[dict[str, Any]]:
        """Return the tasks that `flask jobs list` prints."""
        shown: list[dict[str, Any]] = json.loads(
            self.flask('jobs', 'list', '--json', '--limit', '5000', *options)
        )
        return shown

    @property
    def supervisor(self) -> int | None:
        """The process id of the supervisor of the task workers."""
        if self.task_service:
            return self.task_service.pid
        parents = [pid for pid in children(self.web.pid) if children(pid)]
        return parents[0] if parents else None

    @property
    def workers(self) -> list[int]:
        """The process ids of the task workers, without the dispatcher."""
        supervised = children(self.supervisor) if self.supervisor else []
        return [pid for pid in supervised if name_of(pid).startswith('worker ')]

    @property
    def web_workers(self) -> list[int]:
        """The process ids of the web workers."""
        return [pid for pid in children(self.web.pid) if pid != self.supervisor]

    def kill_workers(self, times: int, pause: tuple[float, float]) -> int:
        """Kill random task workers, `times` times or until no task is left."""
        killed = 0
        while killed < times and self.scalar('SELECT count(*) FROM core_tasks'):
            time.sleep(random.uniform(*pause))
            if workers := self.workers:
                killed += kill(random.choice(workers))
        return killed

    def waits(self, count: int, pause: float) -> list[float]:
        """Enqueue tasks one by one; return the sorted times until their start, in seconds."""
        printed = self.flask('workload', 'trickle', str(count), '--pause', str(pause))
        committed = dict(map(float, line.split()) for line in printed.splitlines())
        begun = 'SELECT count(*) FROM reliability_runs WHERE number >= 0'
        wait_until(lambda: self.scalar(begun) >= count, 60)
        began = self.rows(
            'SELECT number, min(began) FROM reliability_runs WHERE number >= 0 GROUP BY number'
        )
        return sorted(_seconds(moment) - committed[number] for number, moment in began)

    def clear(self) -> None:
        """Delete all tasks, and the rows with which tasks recorded their runs and effects."""
        with self.engine.connect() as connection:
            for table in ('core_tasks', 'reliability_runs', 'reliability_effects'):
                connection.execute(text(f'DELETE FROM {table}'))

    @property
    def variant(self) -> str:
        """The names of the database and the broker, for the output of a measurement."""
        return f'{self.engine.name} {urlsplit(self.env["TASKS_BROKER_URL"]).scheme or "embedded"}'

    def wait_until_dead(self, count: int, seconds: float) -> None:
        """Wait until there are `count` dead letters."""
        found = "SELECT count(*) FROM core_tasks WHERE state = 'dead'"
        wait_until(lambda: self.scalar(found) == count, seconds)

    def wait_until_done(self, seconds: float) -> None:
        """Wait until the outbox is empty."""
        wait_until(lambda: self.scalar('SELECT count(*) FROM core_tasks') == 0, seconds)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Measure the longest time for which a worker owns a task, until the end of the block."""
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._watching.set()
            thread.join(5)

    def _watch(self) -> None:
        since: dict[Any, float] = {}
        running = "SELECT id, lease_id FROM core_tasks WHERE state = 'running'"
        while not self._watching.wait(0.25):
            found = {tuple(row) for row in self.rows(running)}
            since = {key: since.get(key, time.monotonic()) for key in found}
            self.longest_running = max(
                [self.longest_running, *(time.monotonic() - began for began in since.values())]
            )


def figure(*words: object) -> None:
    """Print a measurement, which `pytest -s` shows. docs/operations.md contains the results."""
    print(*words)  # noqa: T201


def _seconds(moment: datetime | str) -> float:
    """Return a time from SQLite or PostgreSQL as seconds since the epoch."""
    read = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def address_of(server: str) -> str:
    """Return the URL of a server, from its environment variable; fail if it is not set."""
    address = os.environ.get(SERVERS[server])
    assert address, f'this needs a real server: set {SERVERS[server]}'
    return address


def children(pid: int) -> list[int]:
    """Return the ids of the running child processes of a process."""
    try:
        listed = Path(f'/proc/{pid}/task/{pid}/children').read_text()
    except OSError:
        return []
    return [int(word) for word in listed.split()]


def name_of(pid: int) -> str:
    """Return the name of a process, or an empty text if the process has ended."""
    try:
        return Path(f'/proc/{pid}/comm').read_text().strip()
    except OSError:
        return ''


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used, in seconds."""
    user, system = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf('SC_CLK_TCK')


def kill(pid: int) -> bool:
    """Kill a process with SIGKILL; return whether it was still running."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition: Callable[[], object], seconds: float) -> None:
    """Call a function until it returns true; fail after a number of seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f'the condition is not true after {seconds} s'
        time.sleep(0.05)


def flask(env: dict[str, str], *arguments: str) -> str:
    """Run a `flask` command in this environment; return its output."""
    done = subprocess.run(
        [str(BIN / 'flask'), '--app', APP, *arguments],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def service_under_test(
    var: Path, database: str, broker: str = '', *, within: Sequence[str] = (), **settings: str
) -> Iterator[ServiceUnderTest]:
    """Start the service on an empty database, and stop it at the end of the block.

    With a broker, the command `flask jobs work` runs the task workers.

    :param within: a command such as `sh -c …` that starts the service.
    """
    var.mkdir(parents=True, exist_ok=True)
    broker = address_of(broker) if broker in SERVERS else broker
    with _alone_at(broker), migrated_database(database, var) as url:
        env = {
            **inherited_environment(),
            'APP_ENV': 'development', 'DATABASE_URL': url, 'PORT': str(free_port()),
            'STORAGE_URL': f'file://{var}/storage', 'MAIL_URL': f'file://{var}/mail',
            'MAINTENANCE_FILE': f'{var}/maintenance', 'WEB_CONCURRENCY': '2',
            'TASKS_BROKER_URL': broker, 'RATELIMIT_ENABLED': 'false', **settings,
        }  # fmt: skip
        with (var / 'service.log').open('wb') as log:
            gunicorn = [str(BIN / 'gunicorn'), '-c', 'config/gunicorn.py', f'{APP}:create_app()']
            web = _start([*within, *gunicorn], env, log)
            command = [str(BIN / 'flask'), '--app', APP, 'jobs', 'work']
            task_service = _start(command, env, log) if broker else None
        engine = create_engine(url, isolation_level='AUTOCOMMIT')
        service = ServiceUnderTest(
            f'http://127.0.0.1:{env["PORT"]}', var, env, engine, web, task_service
        )
        try:
            wait_until(lambda: is_serving(web, service.url, var / 'service.log'), 20)
            workers = len(worker_queues(2, has_broker=bool(broker)))
            wait_until(lambda: len(service.workers) == workers, 20)
            yield service
        finally:
            for process in filter(None, (web, task_service)):
                _stop(process)
            engine.dispose()


@contextmanager
def _alone_at(broker: str) -> Iterator[None]:
    """Lock a broker, so that only one service uses it at a time.

    Two services would receive each other's messages.
    """
    if not broker:
        yield
        return
    with (Path(tempfile.gettempdir()) / 'tests-broker.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def post(
    service: ServiceUnderTest, number: int, *, fail: bool = False
) -> 'requests.Response | None':
    """Send a request that enqueues a mail.

    Returns None if the process that handled the request was killed.
    """
    body = {'number': number, 'fail': fail}
    try:
        return requests.post(f'{service.url}/mails', json=body, timeout=20)
    except requests.ConnectionError:
        return None


def mailed(service: ServiceUnderTest) -> set[int]:
    """Return the numbers of the delivered mails."""
    found = set()
    for path in (service.var / 'mail').glob('*.eml'):
        [to] = [line for line in path.read_text().splitlines() if line.startswith('To: ')]
        found.add(int(to.removeprefix('To: number-').partition('@')[0]))
    return found


class TcpProxy:
    """A TCP proxy in front of a server, which can simulate outages.

    A frozen proxy forwards no data. A shut proxy closes all connections and accepts no new ones.
    """

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.port = free_port()
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._flowing = threading.Event()
        self._flowing.set()

    def freeze(self) -> None:
        """Keep connections and accept new ones, but forward no data."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Continue to forward data, including the data received since `freeze`."""
        self._flowing.set()

    def open(self) -> None:
        """Begin to accept and forward connections."""
        self._listener = socket.create_server(('127.0.0.1', self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        """Close all connections and accept no new ones."""
        if self._listener:
            # `close` does not end the thread that waits in `accept`; `shutdown` wakes it.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        for sock in list(self._open):
            _hang_up(sock)
        self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
                far = socket.create_connection(self.target)
            except OSError:
                return
            self._open |= {near, far}
            for ends in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=(*ends, self._flowing), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket, flowing: threading.Event) -> None:
    try:
        while data := source.recv(65536):
            flowing.wait()
            target.sendall(data)
    except OSError:
        pass
    finally:
        for sock in (source, target):
            _hang_up(sock)


def _hang_up(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


@contextmanager
def migrated_database(kind: str, var: Path) -> Iterator[str]:
    """Create a database with the tables of the service and of `workload.py`; yield its URL."""
    assert kind == 'sqlite' or address_of('postgresql')
    with prepared_database(kind, 'reliability', var, _prepare) as url:
        yield url


def _prepare(url: str) -> None:
    env = {**inherited_environment(), 'APP_ENV': 'development', 'DATABASE_URL': url}
    flask(env, 'db', 'upgrade')
    flask(env, 'workload', 'prepare')


def _start(command: list[str], env: dict[str, str], log: Any) -> 'subprocess.Popen[bytes]':
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)


def _stop(process: 'subprocess.Popen[bytes]') -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(40)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
