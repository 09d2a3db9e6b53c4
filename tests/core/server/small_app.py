"""A small Flask application for tests of the server code between the socket and Flask."""

import hashlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from flask import Flask, Response, g, request
from gunicorn.http.errors import ParseException
from gunicorn.workers import gthread

from project.core.errors import ApiError, RequestTimeout, TooManyRequests
from project.core.server.worker import ApiWorker
from project.core.web.endpoints import large_responses
from project.core.web.endpoints.access import public
from project.core.web.endpoints.endpoint_spec import EndpointSpec, max_body_bytes
from project.core.web.requests.parsing import CLAIM_BODY, receive_json

# gunicorn waits at most two seconds for open connections when a worker ends.
gthread.STOP_KEEPALIVE_LINGER = 0.5


class HastyWorker(ApiWorker):
    """The production worker class with time limits of at most a second: tests wait less."""

    read_timeout_seconds = 0.5
    stall_timeout_seconds = 0.4
    rate_window_seconds = 1.0
    queue_timeout_seconds = 0.5


class CrowdedWorker(ApiWorker):
    """The production worker class, but a stream waits at most two seconds for a thread."""

    stream_queue_timeout_seconds = 2.0


class DismissedWorker(ApiWorker):
    """A worker class whose first worker gets SIGTERM before it installs signal handlers."""

    def init_process(self) -> None:
        """Store the number of this worker. Worker number 1 sends SIGTERM to itself."""
        os.environ['WORKER_AGE'] = str(self.age)
        if self.age == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        super().init_process()


def create_app() -> Flask:
    """Return the small application."""
    app = Flask(__name__, static_folder=None)
    app.config['MAX_CONTENT_LENGTH'] = 1 << 40
    app.config['UPLOAD_MAX_SIZE'] = 1_000_000
    app.config['CORS_ORIGINS'] = ['https://a.test']
    for kind in (RequestTimeout, TooManyRequests):
        app.register_error_handler(kind, fail)
    app.register_error_handler(ParseException, lambda error: ('malformed body', 400))

    large_responses.init_app(app)

    @app.before_request
    def identify() -> None:
        if 'User' in request.headers:
            g.principal = SimpleNamespace(user_id=int(request.headers['User']))
        spec = app.extensions['endpoint_specs'].get((request.endpoint, request.method))
        if spec:
            request.max_content_length = max_body_bytes(spec, app.config)

    @app.get('/answered')
    def answered() -> tuple[str, dict[str, str]]:
        return 'logged by the service', {'X-Request-ID': 'a'}

    @app.get('/healthz')
    def healthz() -> str:
        return 'ok'

    @app.get('/address')
    def address() -> dict[str, str | None]:
        headers = {name.lower(): value for name, value in request.headers}
        return {'scheme': request.scheme, 'address': request.remote_addr, **headers}

    @app.post('/echo')
    def echo() -> dict[str, int | str]:
        size, digest = 0, hashlib.sha256()
        while block := request.stream.read(64 * 1024):
            size += len(block)
            digest.update(block)
        return {'size': size, 'sha256': digest.hexdigest()}

    @app.post('/claimed')
    def claimed() -> dict[str, int]:
        request.environ[CLAIM_BODY](int(request.headers['User']))
        return {'size': len(request.stream.read())}

    @app.post('/json')
    def json() -> dict[str, int]:
        receive_json()
        return {'size': len(request.get_data())}

    app.post('/limited', endpoint='limited')(echo)

    @app.post('/ignore')
    def ignore() -> str:
        return 'not read'

    @app.get('/age')
    def age() -> str:
        return os.environ['WORKER_AGE']

    @app.get('/slow')
    def slow() -> str:
        time.sleep(float(request.args['seconds']))
        return 'at last'

    @app.get('/waiting')
    def waiting() -> str:
        time.sleep(float(request.args['seconds']))
        return 'as for a database'

    @app.get('/large')
    def large() -> bytes:
        return bytes(64 * 1024 * 1024)

    @app.get('/sized/<int:size>')
    def sized(size: int) -> bytes:
        return bytes(size)

    @app.get('/streamed')
    def streamed() -> Response:
        return Response(bytes(1 << 20) for _ in range(64))

    @app.get('/stored/<path:key>')
    def stored(key: str) -> Response:
        response = Response(content_type='text/plain')
        response.headers['X-Accel-Redirect'] = f'/_storage/ranges/{key}'
        response.headers['ETag'] = '"of-the-content"'
        response.headers['Content-Disposition'] = 'attachment'
        response.headers['Content-Security-Policy'] = "default-src 'none'; sandbox"
        response.headers['X-Content-Type-Options'] = 'nosniff'
        return response

    app.extensions['endpoint_specs'] = {
        ('slow', 'GET'): EndpointSpec(allow=public, hashes_password=True),
        ('limited', 'POST'): EndpointSpec(allow=public, max_body_setting='UPLOAD_MAX_SIZE'),
    }
    return app


def fail(error: ApiError) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Return the JSend response to an API error."""
    return {'status': 'fail', 'data': error.data}, error.http_code, error.headers


def with_tasks() -> Flask:
    """Return the small application with task workers.

    Each of their processes keeps a file in `TASKS_FOLDER` while it runs.
    """
    app = create_app()

    def serve_tasks(goes_on: Callable[[], bool]) -> None:
        mark = Path(os.environ['TASKS_FOLDER']) / str(os.getpid())
        mark.touch()
        while goes_on():
            time.sleep(0.02)
        mark.unlink()

    app.extensions['run_task_workers'] = serve_tasks
    return app


def reject() -> Flask:
    """Exit with an error at the start, as the real application does without SECRET_KEY."""
    raise SystemExit('Refusing to start: SECRET_KEY is not set.')
