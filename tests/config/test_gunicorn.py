"""That `config/gunicorn.py` starts what it should, how it should, and refuses in one line."""

import json
import runpy
import signal
import subprocess
import time
from types import SimpleNamespace

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import text

from .serving import BIN, ROOT, Client, free_port, get, small_service, wait_for


class TestStart:
    def test_refuses_in_one_line_and_at_once(self) -> None:
        app = 'tests.config.small_app:refuse()'
        begin = time.monotonic()

        refusal = subprocess.run(
            [BIN / 'gunicorn', '-c', 'config/gunicorn.py', app],
            cwd=ROOT, capture_output=True, text=True, timeout=10,
        )  # fmt: skip

        assert refusal.returncode != 0
        assert refusal.stderr == 'Refusing to start: SECRET_KEY is not set.\n'
        assert time.monotonic() < begin + 4

    @pytest.mark.parametrize(
        ('name', 'value'),
        [('PORT', 'x'), ('PORT', '65536'), ('WEB_CONCURRENCY', '0')],
    )
    def test_refuses_a_number_that_is_none_in_one_line(self, name: str, value: str) -> None:
        refusal = subprocess.run(
            [BIN / 'gunicorn', '-c', 'config/gunicorn.py', 'tests.config.small_app:create_app()'],
            cwd=ROOT, capture_output=True, text=True, timeout=10, env={name: value},
        )  # fmt: skip

        assert refusal.returncode == 1
        assert refusal.stderr.startswith(f"{name} is '{value}'; it must be a whole number from ")
        assert len(refusal.stderr.splitlines()) == 1

    def test_refuses_to_end_tls(self) -> None:
        app = 'tests.config.small_app:create_app()'

        refusal = subprocess.run(
            [BIN / 'gunicorn', '-c', 'config/gunicorn.py', '--certfile', 'wsgi.py', app],
            cwd=ROOT, capture_output=True, text=True, timeout=10, env={'PORT': '0'},
        )  # fmt: skip

        assert refusal.returncode != 0
        assert refusal.stderr.endswith('end TLS at a proxy.\n')

    def test_takes_nobodys_word_for_scheme_and_address(self) -> None:
        with small_service() as service, Client(service.port) as client:
            request = get('/address', 'X-Forwarded-Proto: https', 'X-Forwarded-For: 192.0.2.1')
            said = client.ask(request).json

        assert (said['scheme'], said['address']) == ('http', '127.0.0.1')

    def test_survives_a_hangup_signal(self) -> None:
        with small_service() as service, Client(service.port) as old:
            old.ask(get())
            service.process.send_signal(signal.SIGHUP)
            assert old.is_closed()

            with Client(service.port) as client:
                assert client.ask(get()).status == 200
            assert service.process.poll() is None


class TestLines:
    def start(self, environment: str) -> list[str]:
        """Return what gunicorn itself says of a start and an end."""
        port = free_port()
        settings = {'PORT': str(port), 'WEB_CONCURRENCY': '1', 'APP_ENV': environment}
        process = subprocess.Popen(
            [BIN / 'gunicorn', '-c', 'config/gunicorn.py', 'tests.config.small_app:create_app()'],
            cwd=ROOT, stderr=subprocess.PIPE, text=True, env=settings,
        )  # fmt: skip
        try:
            wait_for(port, process)
            # A worker that has answered is one that knows what a signal to end means.
            with Client(port) as client:
                client.ask(get())
        finally:
            process.terminate()
            _, said = process.communicate(timeout=10)
        return said.splitlines()

    def test_are_json_like_those_of_the_application_from_the_first_on(self) -> None:
        first, *others = map(json.loads, self.start('production'))

        assert first['message'].startswith('Starting gunicorn')
        assert others[-1]['message'] == 'Shutting down: Master'

    def test_are_to_read_in_development(self) -> None:
        assert '[INFO] Starting gunicorn' in self.start('development')[0]


class TestPostFork:
    def test_forgets_the_parents_connections_without_closing_them(self) -> None:
        post_fork = runpy.run_path(str(ROOT / 'config' / 'gunicorn.py'))['post_fork']
        app = Flask(__name__)
        app.config['SQLALCHEMY_DATABASE_URI'] = 'sqlite://'
        database = SQLAlchemy(app)
        worker = SimpleNamespace(app=SimpleNamespace(wsgi=lambda: app))
        with app.app_context():
            engine = database.engine
            parents = engine.connect()
            pool = engine.pool

            post_fork(None, worker)

            assert engine.pool is not pool
            assert parents.execute(text('SELECT 1')).scalar_one() == 1
            parents.close()
            pool.dispose()
            engine.dispose()

    def test_is_content_without_a_database(self) -> None:
        post_fork = runpy.run_path(str(ROOT / 'config' / 'gunicorn.py'))['post_fork']

        post_fork(None, SimpleNamespace(app=SimpleNamespace(wsgi=lambda: lambda: None)))
