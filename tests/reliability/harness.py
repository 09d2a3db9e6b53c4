"""The service under attack: as users start it, on either database, with or without a broker."""

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

# Where the servers are: `.ci/run` says so. What is not there fails, and is not passed over.
SERVERS = {
    'postgresql': 'TEST_DATABASE_URL',
    'amqp': 'TEST_AMQP_URL',
    'redis': 'TEST_REDIS_URL',
}

APP = 'tests.reliability.workload'
IS_LONG = bool(os.environ.get('SOAK'))
LEASE = 20.0  # seconds: project.core.tasks.leases.LEASE_DURATION


@dataclass
class Attacked:
    """A service, its outbox, and the processes that work it off."""

    url: str
    var: Path
    env: dict[str, str]
    engine: Engine
    web: 'subprocess.Popen[bytes]'
    grown: 'subprocess.Popen[bytes] | None' = None
    longest_running: float = 0.0
    _watching: threading.Event = field(default_factory=threading.Event)

    def flask(self, *arguments: str) -> str:
        """Run a command beside it and return what it printed."""
        return flask(self.env, *arguments)

    def enqueue(self, name: str, count: int, milliseconds: int = 20, owner: int = 0) -> None:
        """Enqueue many tasks at once."""
        self.call_workload('/tasks', name=name, count=count, milliseconds=milliseconds, owner=owner)

    def call_workload(self, path: str, **body: Any) -> None:
        """Call a route of the workload. A process for a command would take a second."""
        answer = requests.post(self.url + path, json=body, timeout=60)
        assert answer.ok, answer.text

    def scalar(self, statement: str) -> Any:
        """Ask the database for one value."""
        with self.engine.connect() as connection:
            return connection.execute(text(statement)).scalar()

    def rows(self, statement: str) -> list[Any]:
        """Ask the database for rows."""
        with self.engine.connect() as connection:
            return list(connection.execute(text(statement)).all())

    def jobs(self, *options: str) -> list[dict[str, Any]]:
        """Return what `flask jobs list` shows."""
        shown: list[dict[str, Any]] = json.loads(
            self.flask('jobs', 'list', '--json', '--limit', '5000', *options)
        )
        return shown

    @property
    def supervisor(self) -> int | None:
        """The process that looks after the workers."""
        if self.grown:
            return self.grown.pid
        parents = [pid for pid in children(self.web.pid) if children(pid)]
        return parents[0] if parents else None

    @property
    def workers(self) -> list[int]:
        """The processes that work on tasks, without the dispatcher beside them."""
        crew = children(self.supervisor) if self.supervisor else []
        return [pid for pid in crew if name_of(pid).startswith('worker ')]

    @property
    def web_workers(self) -> list[int]:
        """The processes that answer requests."""
        return [pid for pid in children(self.web.pid) if pid != self.supervisor]

    def kill_workers(self, times: int, pause: tuple[float, float]) -> int:
        """Kill workers at random, so many times or until there is nothing left to do."""
        killed = 0
        while killed < times and self.scalar('SELECT count(*) FROM core_tasks'):
            time.sleep(random.uniform(*pause))
            if workers := self.workers:
                killed += kill(random.choice(workers))
        return killed

    def waits(self, count: int, pause: float) -> list[float]:
        """Enqueue tasks one by one, and return how long each waited to begin, in seconds."""
        printed = self.flask('workload', 'trickle', str(count), '--pause', str(pause))
        committed = dict(map(float, line.split()) for line in printed.splitlines())
        begun = 'SELECT count(*) FROM reliability_runs WHERE number >= 0'
        wait_until(lambda: self.scalar(begun) >= count, 60)
        began = self.rows(
            'SELECT number, min(began) FROM reliability_runs WHERE number >= 0 GROUP BY number'
        )
        return sorted(_seconds(moment) - committed[number] for number, moment in began)

    def clear(self) -> None:
        """Delete all tasks, and everything that they did."""
        with self.engine.connect() as connection:
            for table in ('core_tasks', 'reliability_runs', 'reliability_effects'):
                connection.execute(text(f'DELETE FROM {table}'))

    @property
    def way(self) -> str:
        """The database and the broker, for a measurement."""
        return f'{self.engine.name} {urlsplit(self.env["TASKS_BROKER_URL"]).scheme or "embedded"}'

    def wait_until_dead(self, count: int, seconds: float) -> None:
        """Wait until this many tasks are dead letters."""
        found = "SELECT count(*) FROM core_tasks WHERE state = 'dead'"
        wait_until(lambda: self.scalar(found) == count, seconds)

    def wait_until_done(self, seconds: float) -> None:
        """Wait until the outbox is empty."""
        wait_until(lambda: self.scalar('SELECT count(*) FROM core_tasks') == 0, seconds)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Note the longest that any task was running under one lease."""
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
    """Say what was measured: `pytest -s` shows it, and docs/operations.md has it."""
    print(*words)  # noqa: T201


def _seconds(moment: datetime | str) -> float:
    """Return a moment as SQLite or PostgreSQL gives it, in seconds."""
    read = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def address_of(server: str) -> str:
    """Return where a server is."""
    address = os.environ.get(SERVERS[server])
    assert address, f'this needs a real server: set {SERVERS[server]}'
    return address


def children(pid: int) -> list[int]:
    """Return the processes that a process has started and that still run."""
    try:
        listed = Path(f'/proc/{pid}/task/{pid}/children').read_text()
    except OSError:
        return []
    return [int(word) for word in listed.split()]


def name_of(pid: int) -> str:
    """Return the name that a process has given itself; nothing if it is gone."""
    try:
        return Path(f'/proc/{pid}/comm').read_text().strip()
    except OSError:
        return ''


def cpu_seconds(pid: int) -> float:
    """Return how long a process has kept a processor busy."""
    user, system = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf('SC_CLK_TCK')


def kill(pid: int) -> bool:
    """Kill a process without a warning; tell whether it was still there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition: Callable[[], object], seconds: float) -> None:
    """Ask until it is so, and fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f'not so after {seconds} s'
        time.sleep(0.05)


def flask(env: dict[str, str], *arguments: str) -> str:
    """Run a command of the service under attack."""
    done = subprocess.run(
        [str(BIN / 'flask'), '--app', APP, *arguments],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def attacked(
    var: Path, database: str, broker: str = '', *, within: Sequence[str] = (), **settings: str
) -> Iterator[Attacked]:
    """Start the service on an empty database; with a broker, its workers are beside it.

    :param within: a command that runs the command behind it.
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
            grown = _start(command, env, log) if broker else None
        engine = create_engine(url, isolation_level='AUTOCOMMIT')
        service = Attacked(f'http://127.0.0.1:{env["PORT"]}', var, env, engine, web, grown)
        try:
            wait_until(lambda: is_serving(web, service.url, var / 'service.log'), 20)
            workers = len(worker_queues(2, has_broker=bool(broker)))
            wait_until(lambda: len(service.workers) == workers, 20)
            yield service
        finally:
            for process in filter(None, (web, grown)):
                _stop(process)
            engine.dispose()


@contextmanager
def _alone_at(broker: str) -> Iterator[None]:
    """Let one service at a time have a broker: two would take each other's messages."""
    if not broker:
        yield
        return
    with (Path(tempfile.gettempdir()) / 'tests-broker.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def post(service: Attacked, number: int, *, fail: bool = False) -> 'requests.Response | None':
    """Ask for a mail; None where the process that should answer was just killed."""
    body = {'number': number, 'fail': fail}
    try:
        return requests.post(f'{service.url}/mails', json=body, timeout=20)
    except requests.ConnectionError:
        return None


def mailed(service: Attacked) -> set[int]:
    """Return the numbers of the mails that arrived."""
    found = set()
    for path in (service.var / 'mail').glob('*.eml'):
        [to] = [line for line in path.read_text().splitlines() if line.startswith('To: ')]
        found.add(int(to.removeprefix('To: number-').partition('@')[0]))
    return found


class Gate:
    """A way to a server that can be shut: who is connected is cut off, who comes is refused."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.port = free_port()
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._flowing = threading.Event()
        self._flowing.set()

    def freeze(self) -> None:
        """Keep connections, accept new ones, and pass nothing on."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Pass on everything that came in the meantime."""
        self._flowing.set()

    def open(self) -> None:
        """Let through."""
        self._listener = socket.create_server(('127.0.0.1', self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        """Cut everything."""
        if self._listener:
            # Who waits in accept() keeps the socket alive; this wakes them.
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
    """Give the URL of a database with all tables, also those of the workload."""
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
