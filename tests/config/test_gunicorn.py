"""Settings and hooks in `config/gunicorn.py`, and the processes that start with them."""

import json
import os
import resource
import runpy
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import text

from config.development import DevelopmentConfig
from project.core.clock import now
from project.core.deprecated_calls import list_callers
from project.core.deprecated_calls.rows import Call
from tests.config.environment import set_environment
from tests.core.server.serving import (
    BIN,
    ROOT,
    Client,
    Service,
    free_port,
    get,
    small_service,
    wait_for,
)

pytestmark = pytest.mark.servers

SMALL_APP = 'tests.core.server.small_app:create_app()'


class TestStart:
    def test_exits_with_one_line_at_once_when_the_application_exits(self) -> None:
        app = 'tests.core.server.small_app:reject()'
        # Measure the CPU time, because the elapsed time depends on other processes.
        before = resource.getrusage(resource.RUSAGE_CHILDREN)

        ended = subprocess.run(
            [BIN / 'gunicorn', '-c', 'config/gunicorn.py', app],
            cwd=ROOT, capture_output=True, text=True, timeout=10,
            env=os.environ | {'APP_ENV': 'production'},
        )  # fmt: skip

        assert ended.returncode != 0
        assert ended.stderr == 'Refusing to start: SECRET_KEY is not set.\n'
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 4

    @pytest.mark.parametrize(
        ('name', 'value'),
        [
            ('PORT', 'x'),
            ('PORT', '65536'),
            ('TASKS_CONCURRENCY', 'two'),
            ('WEB_CONCURRENCY', '0'),
            ('BODY_TIMEOUT', 'abc'),
            ('BODY_TIMEOUT', '0'),
            ('BODY_TIMEOUT', '99999'),
            ('BODY_MIN_RATE', '0'),
            ('BODIES_PER_CLIENT', '0'),
            ('SHUTDOWN_DELAY', '601'),
        ],
    )
    def test_rejects_an_invalid_number_in_one_line(self, name: str, value: str) -> None:
        ended = subprocess.run(
            [BIN / 'gunicorn', '-c', 'config/gunicorn.py', SMALL_APP],
            cwd=ROOT, capture_output=True, text=True, timeout=10, env={name: value},
        )  # fmt: skip

        assert ended.returncode == 1
        assert ended.stderr.startswith(f'Refusing to start: {name} must be a whole number from ')
        assert len(ended.stderr.splitlines()) == 1

    @pytest.mark.parametrize(
        ('option', 'bounds'),
        [
            ('--workers=100000', 'from 1 to 1025, and not 100000'),
            ('--threads=0', 'from 1 to 256, and not 0'),
            ('--timeout=9999999999', 'from 1 to 3600, and not 9999999999'),
            ('--backlog=99999999999', 'from 64 to 65535, and not 99999999999'),
        ],
    )
    def test_rejects_an_option_out_of_bounds_in_one_line(self, option: str, bounds: str) -> None:
        ended = subprocess.run(
            [BIN / 'gunicorn', '-c', 'config/gunicorn.py', SMALL_APP],
            cwd=ROOT, capture_output=True, text=True, timeout=10,
            env={'PORT': '0', 'GUNICORN_CMD_ARGS': option},
        )  # fmt: skip

        assert ended.returncode == 1
        assert 'Traceback' not in ended.stderr
        assert ended.stderr.splitlines()[-1] == (
            f'Refusing to start: {option.partition("=")[0]}, an option of gunicorn or of '
            f'GUNICORN_CMD_ARGS, must be a whole number {bounds}.'
        )

    @pytest.mark.parametrize(
        ('host', 'bind'), [('', '127.0.0.1:8000'), ('::1', '[::1]:8000'), ('a.test', 'a.test:8000')]
    )
    def test_listens_on_the_host(
        self, monkeypatch: pytest.MonkeyPatch, host: str, bind: str
    ) -> None:
        set_environment(monkeypatch, HOST=host)

        assert runpy.run_path(str(ROOT / 'config' / 'gunicorn.py'))['bind'] == bind

    def test_reads_app_config_file(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        path = tmp_path / 'settings.py'
        path.write_text('PORT = 1234\nWEB_CONCURRENCY = 3\nTASKS_CONCURRENCY = 0\n')
        set_environment(monkeypatch, APP_CONFIG_FILE=path, PORT=8000)

        found = runpy.run_path(str(ROOT / 'config' / 'gunicorn.py'))

        assert (found['bind'], found['workers'], found['embedded']) == ('127.0.0.1:1234', 3, False)

    def test_reads_the_class_of_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        set_environment(monkeypatch, APP_ENV='development')
        monkeypatch.setattr(DevelopmentConfig, 'BODY_TIMEOUT', 7)
        monkeypatch.setattr(DevelopmentConfig, 'WEB_CONCURRENCY', 5)
        monkeypatch.setattr(DevelopmentConfig, 'TASKS_CONCURRENCY', 0)

        found = runpy.run_path(str(ROOT / 'config' / 'gunicorn.py'))

        assert (found['body_timeout_seconds'], found['workers']) == (7, 5)

    @pytest.mark.parametrize(
        ('environment', 'lines', 'formatter'),
        [
            ('production', '', 'JsonFormatter'),
            ('development', '', 'ReadableFormatter'),
            ('production', "LOG_FORMAT = 'readable'", 'ReadableFormatter'),
            ('development', "LOG_FORMAT = 'json'", 'JsonFormatter'),
        ],
    )
    def test_logs_in_the_configured_format(
        self,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        environment: str,
        lines: str,
        formatter: str,
    ) -> None:
        path = tmp_path / 'settings.py'
        path.write_text(lines)
        set_environment(monkeypatch, APP_ENV=environment, APP_CONFIG_FILE=path)

        found = runpy.run_path(str(ROOT / 'config' / 'gunicorn.py'))['logconfig_dict']

        assert found['formatters']['ours']['()'].endswith(f'.{formatter}')

    def test_does_not_start_with_a_certificate(self) -> None:
        app = 'tests.core.server.small_app:create_app()'

        ended = subprocess.run(
            [BIN / 'gunicorn', '-c', 'config/gunicorn.py', '--certfile', 'wsgi.py', app],
            cwd=ROOT, capture_output=True, text=True, timeout=10, env={'PORT': '0'},
        )  # fmt: skip

        assert ended.returncode != 0
        assert ended.stderr.endswith('terminate TLS at a proxy.\n')

    def test_ignores_the_scheme_and_the_ip_address_in_forwarded_headers(self) -> None:
        with small_service() as service, Client(service.port) as client:
            request = get('/address', 'X-Forwarded-Proto: https', 'X-Forwarded-For: 192.0.2.1')
            seen = client.ask(request).json

        assert (seen['scheme'], seen['address']) == ('http', '127.0.0.1')

    @pytest.mark.slow('gunicorn replaces a worker')
    def test_serves_requests_after_sighup(self) -> None:
        with small_service() as service, Client(service.port) as old:
            old.ask(get())
            service.process.send_signal(signal.SIGHUP)
            assert old.is_closed()

            with Client(service.port) as client:
                assert client.ask(get()).status == 200
            assert service.process.poll() is None

    def test_stops_a_worker_that_receives_sigterm_before_it_handles_signals(self) -> None:
        worker = 'tests.core.server.small_app.DismissedWorker'

        with small_service('-k', worker) as service, Client(service.port) as client:
            assert client.ask(get('/age')).body == b'2'


class TestLogLines:
    def start(self, environment: str) -> list[str]:
        """Start and stop gunicorn; return the lines that it logs."""
        port = free_port()
        settings = {'PORT': str(port), 'WEB_CONCURRENCY': '1', 'APP_ENV': environment}
        settings['TASKS_CONCURRENCY'] = '0'
        process = subprocess.Popen(
            [BIN / 'gunicorn', '-c', 'config/gunicorn.py', SMALL_APP],
            cwd=ROOT, stderr=subprocess.PIPE, text=True, env=settings,
        )  # fmt: skip
        try:
            wait_for(port, process)
        finally:
            process.terminate()
            _, output = process.communicate(timeout=10)
        return output.splitlines()

    def test_are_all_json_in_production(self) -> None:
        first, *others = map(json.loads, self.start('production'))

        assert first['message'].startswith('Starting gunicorn')
        assert others[-1]['message'] == 'Shutting down: Master'

    def test_are_readable_in_development(self) -> None:
        assert ' INFO    - Starting gunicorn' in self.start('development')[0]


class Server:
    """A simplified gunicorn master: it starts workers and stops the oldest surplus ones."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.cfg = object()
        self.WORKERS: dict[int, SimpleNamespace] = {}
        self.worker_age = 0
        self.delays: list[tuple[Any, int]] = []
        self._count: int | None = None
        self.num_workers = settings['workers']
        self.manage()

    @property
    def num_workers(self) -> int:
        assert self._count is not None
        return self._count

    @num_workers.setter
    def num_workers(self, count: int) -> None:
        before, self._count = self._count, count
        self.settings['nworkers_changed'](self, count, before)

    def spawn(self) -> None:
        self.worker_age += 1
        worker = SimpleNamespace(
            age=self.worker_age,
            cfg=self.cfg,
            delay_shutdown=lambda *delay: self.delays.append(delay),
        )
        self.settings['pre_fork'](self, worker)
        self.WORKERS[worker.age] = worker

    def manage(self) -> None:
        """Start missing workers and stop surplus ones, like `Arbiter.manage_workers`."""
        while len(self.WORKERS) < self.num_workers:
            self.spawn()
        for pid, _ in sorted(self.WORKERS.items(), key=lambda item: item[1].age):
            if len(self.WORKERS) > self.num_workers:
                del self.WORKERS[pid]

    def reload(self) -> None:
        """Replace all workers, like `Arbiter.reload` after SIGHUP."""
        self.cfg = object()
        self.num_workers = self.settings['workers']
        for _ in range(self.settings['workers']):
            self.spawn()
        self.manage()

    @property
    def roles(self) -> list[bool]:
        """Return, from the oldest to the newest worker, whether it is the task worker process."""
        workers = sorted(self.WORKERS.values(), key=lambda worker: worker.age)
        return [worker.serves_tasks for worker in workers]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Return a function that runs config/gunicorn.py with these environment variables.

    The function returns the settings of gunicorn.
    """

    def load_settings(**environment: str) -> dict[str, Any]:
        for name in (
            'WEB_CONCURRENCY', 'TASKS_CONCURRENCY', 'TASKS_BROKER_URL', 'SHUTDOWN_DELAY',
            'BODY_MIN_RATE', 'BODIES_PER_CLIENT',
        ):  # fmt: skip
            monkeypatch.delenv(name, raising=False)
        # The class of `testing` overrides variables.
        for name, value in {'APP_ENV': 'production', **environment}.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(str(ROOT / 'config' / 'gunicorn.py'))

    return load_settings


class TestWorkers:
    @pytest.mark.parametrize(
        ('environment', 'count'),
        [
            ({}, 4),
            ({'TASKS_CONCURRENCY': '7'}, 4),
            ({'TASKS_CONCURRENCY': '0'}, 3),
            ({'TASKS_BROKER_URL': 'redis://localhost'}, 3),
        ],
    )
    def test_include_one_more_if_the_service_runs_tasks_itself(
        self, settings: Callable[..., dict[str, Any]], environment: dict[str, str], count: int
    ) -> None:
        assert settings(WEB_CONCURRENCY='3', **environment)['workers'] == count


class TestWorkerTmpDir:
    def test_is_in_memory_if_the_system_has_such_a_folder(
        self, settings: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert settings()['worker_tmp_dir'] == '/dev/shm'

        monkeypatch.setattr(Path, 'is_dir', lambda _self: False)

        # With None, gunicorn uses the system's folder for temporary files.
        assert settings()['worker_tmp_dir'] is None


class TestPreFork:
    def test_lets_one_worker_serve_tasks(self, settings: Callable[..., dict[str, Any]]) -> None:
        server = Server(settings(WEB_CONCURRENCY='3'))

        assert server.roles == [True, False, False, False]

    def test_passes_the_shutdown_delay_to_the_master(
        self, settings: Callable[..., dict[str, Any]]
    ) -> None:
        server = Server(settings(WEB_CONCURRENCY='1', SHUTDOWN_DELAY='7'))

        assert set(server.delays) == {(server, 7)}

    @pytest.mark.parametrize(
        'environment', [{'TASKS_CONCURRENCY': '0'}, {'TASKS_BROKER_URL': 'redis://localhost'}]
    )
    def test_lets_no_worker_serve_tasks_if_other_processes_do(
        self, settings: Callable[..., dict[str, Any]], environment: dict[str, str]
    ) -> None:
        server = Server(settings(WEB_CONCURRENCY='3', **environment))

        assert server.roles == [False] * 3

    def test_lets_a_new_worker_serve_tasks_when_the_previous_one_has_died(
        self, settings: Callable[..., dict[str, Any]]
    ) -> None:
        server = Server(settings(WEB_CONCURRENCY='2'))
        del server.WORKERS[1]

        server.manage()

        assert server.roles == [False, False, True]

    def test_lets_one_worker_of_each_generation_serve_tasks(
        self, settings: Callable[..., dict[str, Any]]
    ) -> None:
        server = Server(settings(WEB_CONCURRENCY='2'))
        old = set(server.WORKERS)

        server.reload()

        assert not old & set(server.WORKERS)
        assert sorted(server.roles) == [False, False, True]


class TestNworkersChanged:
    @pytest.fixture
    def server(self, settings: Callable[..., dict[str, Any]]) -> Server:
        return Server(settings(WEB_CONCURRENCY='2'))

    def test_keeps_the_task_worker_when_the_number_decreases(self, server: Server) -> None:
        server.num_workers -= 1
        server.manage()

        assert sorted(server.roles) == [False, True]

    def test_always_keeps_a_web_worker(self, server: Server) -> None:
        for _ in range(5):
            server.num_workers -= 1
            server.manage()

            assert sorted(server.roles)[:2] == [False, True]
        assert server.num_workers == 2

    def test_keeps_one_task_worker_when_the_number_increases(self, server: Server) -> None:
        for _ in range(2):
            server.num_workers += 1
            server.manage()

        assert sorted(server.roles) == [False] * 4 + [True]

    def test_keeps_one_task_worker_after_several_changes_and_a_reload(self, server: Server) -> None:
        for change in (1, 1, -1, -1, -1, 1, -1):
            server.num_workers += change
            server.manage()
        server.reload()

        assert sorted(server.roles) == [False, False, True]

    def test_allows_a_single_worker_if_none_serves_tasks(
        self, settings: Callable[..., dict[str, Any]]
    ) -> None:
        server = Server(settings(WEB_CONCURRENCY='2', TASKS_CONCURRENCY='0'))

        server.num_workers -= 1
        server.manage()

        assert server.roles == [False]


class TestTasks:
    """The task worker process, which gunicorn starts beside its web workers.

    Like a web worker, it is replaced when it dies, and stops with gunicorn.
    """

    @pytest.fixture
    def service(self, tmp_path: Path) -> Iterator[Service]:
        with small_service(
            app='tests.core.server.small_app:with_tasks()',
            TASKS_CONCURRENCY='1',
            TASKS_FOLDER=str(tmp_path),
        ) as service:
            yield service

    def wait_for_task_worker(self, folder: Path, other_than: int = 0) -> int:
        """Wait until there is exactly one task worker process; return its process id.

        :param other_than: the process id of the previous one, which does not count.
        """
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            ids = [int(path.name) for path in folder.iterdir()]
            if len(ids) == 1 and ids != [other_than]:
                return ids[0]
            time.sleep(0.02)
        raise AssertionError(f'expected one new task worker, found {ids}')

    def test_run_while_the_service_serves_requests(self, service: Service, tmp_path: Path) -> None:
        found = self.wait_for_task_worker(tmp_path)

        assert found != service.process.pid
        with Client(service.port) as client:
            assert client.ask(get()).status == 200

    def test_run_in_a_new_worker_after_sighup(self, service: Service, tmp_path: Path) -> None:
        old = self.wait_for_task_worker(tmp_path)

        service.process.send_signal(signal.SIGHUP)

        assert self.wait_for_task_worker(tmp_path, other_than=old)
        with Client(service.port) as client:
            assert client.ask(get()).status == 200

    def test_run_in_a_new_worker_when_the_previous_one_is_killed(
        self, service: Service, tmp_path: Path
    ) -> None:
        old = self.wait_for_task_worker(tmp_path)

        os.kill(old, signal.SIGKILL)
        (tmp_path / str(old)).unlink()

        assert self.wait_for_task_worker(tmp_path, other_than=old)

    def test_stop_with_the_service(self, service: Service, tmp_path: Path) -> None:
        self.wait_for_task_worker(tmp_path)

        service.process.terminate()
        service.process.wait(10)

        assert list(tmp_path.iterdir()) == []

    def test_stop_when_gunicorn_is_killed(self, service: Service, tmp_path: Path) -> None:
        self.wait_for_task_worker(tmp_path)

        service.process.kill()
        service.process.wait(10)

        deadline = time.monotonic() + 10
        while list(tmp_path.iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def test_do_not_keep_the_port_of_the_service_open(
        self, service: Service, tmp_path: Path
    ) -> None:
        found = self.wait_for_task_worker(tmp_path)

        listening = {
            line.split()[9]
            for line in Path('/proc/net/tcp').read_text().splitlines()[1:]
            if int(line.split()[1].rpartition(':')[2], 16) == service.port
        }
        held = {str(path.readlink()) for path in Path(f'/proc/{found}/fd').iterdir()}

        assert listening
        assert not held & {f'socket:[{inode}]' for inode in listening}


class TestPostFork:
    def test_replaces_the_connection_pool_without_closing_inherited_connections(self) -> None:
        post_fork = runpy.run_path(str(ROOT / 'config' / 'gunicorn.py'))['post_fork']
        app = Flask(__name__)
        app.config['SQLALCHEMY_DATABASE_URI'] = 'sqlite://'
        database = SQLAlchemy(app)
        worker = SimpleNamespace(app=SimpleNamespace(wsgi=lambda: app))
        with app.app_context():
            engine = database.engine
            parents = engine.connect()
            pool = engine.pool

            post_fork(SimpleNamespace(SIG_QUEUE=SimpleQueue()), worker)

            assert engine.pool is not pool
            assert parents.execute(text('SELECT 1')).scalar_one() == 1
            parents.close()
            pool.dispose()
            engine.dispose()

    def test_sets_the_limits_of_bodies_on_the_worker(
        self, settings: Callable[..., dict[str, Any]]
    ) -> None:
        worker = SimpleNamespace(app=SimpleNamespace(wsgi=lambda: lambda: None))
        limits = settings(BODY_TIMEOUT='5', BODY_MIN_RATE='70', BODIES_PER_CLIENT='3')

        limits['post_fork'](SimpleNamespace(SIG_QUEUE=SimpleQueue()), worker)

        assert worker.body_timeout_seconds == 5
        assert worker.body_min_rate == 70
        assert worker.bodies_per_client == 3

    def test_passes_pending_signals_without_a_database(self) -> None:
        post_fork = runpy.run_path(str(ROOT / 'config' / 'gunicorn.py'))['post_fork']
        worker = SimpleNamespace(app=SimpleNamespace(wsgi=lambda: lambda: None))
        signals: SimpleQueue[int] = SimpleQueue()

        post_fork(SimpleNamespace(SIG_QUEUE=signals), worker)

        assert worker.pending_signals is signals


class TestWorkerExit:
    def test_writes_the_counts_of_deprecated_routes(self, app: Flask) -> None:
        worker_exit = runpy.run_path(str(ROOT / 'config' / 'gunicorn.py'))['worker_exit']
        app.extensions['deprecated_calls'].add(Call('GET /old', now().date(), 5, '', 'curl'))

        worker_exit(SimpleNamespace(app=SimpleNamespace(wsgi=lambda: app)), SimpleNamespace())

        assert [(row.route, row.requests) for row in list_callers()] == [('GET /old', 1)]

    def test_accepts_an_application_without_counts(self) -> None:
        worker_exit = runpy.run_path(str(ROOT / 'config' / 'gunicorn.py'))['worker_exit']

        worker_exit(SimpleNamespace(app=SimpleNamespace(wsgi=lambda: lambda: None)), None)
