"""Configuration of gunicorn: `gunicorn -c config/gunicorn.py 'wsgi:create_app()'`.

After SIGHUP, gunicorn executes this file again, so this file keeps no state. The application is
loaded before the fork. So a failed start prints one line and exits, and the workers share the
memory of the application.
"""

from pathlib import Path
from typing import Any

from config.loading import load_config

# The settings of the class of APP_ENV and of APP_CONFIG_FILE apply to gunicorn, too.
loaded = load_config()
loaded.raise_faults()
settings = loaded.values

bind = f'{settings["HOST"]}:{settings["PORT"]}'
# If true, one additional worker process runs the tasks of the outbox. If there is a broker, `flask
# jobs work` runs them instead.
embedded = not settings['TASKS_BROKER_URL'] and settings['TASKS_CONCURRENCY'] > 0
# gunicorn rejects a WEB_CONCURRENCY such as `two` with a traceback, before it reads this file.
# `python -m config.start` and `flask db upgrade` reject it in one line.
workers = settings['WEB_CONCURRENCY'] + embedded
worker_class = 'project.core.server.worker.ApiWorker'
threads = 8
preload_app = True

OPTION_BOUNDS = {
    'workers': (1, 1025),  # WEB_CONCURRENCY and the worker that runs tasks.
    'threads': (1, 256),
    'timeout': (1, 3600),
    'graceful_timeout': (1, 3600),
    'keepalive': (1, 3600),
    'backlog': (64, 65535),
    'worker_connections': (1, 65535),
    'max_requests': (0, 2**31 - 1),
    'max_requests_jitter': (0, 2**31 - 1),
}

# Each worker updates a heartbeat file. On a slow disk, that could take longer than `timeout`.
memory = Path('/dev/shm')  # noqa: S108 - the file there has no name
worker_tmp_dir = str(memory) if memory.is_dir() else None
timeout = 30
graceful_timeout = 30

# `post_fork` must not read these settings: gunicorn would restart workers forever if a value is
# invalid.
body_timeout_seconds = settings['BODY_TIMEOUT']
body_min_rate = settings['BODY_MIN_RATE']
bodies_per_client = settings['BODIES_PER_CLIENT']
shutdown_delay_seconds = settings['SHUTDOWN_DELAY']

# Seconds after which gunicorn closes an idle connection. The proxy must close it earlier, so that
# it never sends a request over a connection that gunicorn is closing.
keepalive = 20

limit_request_line = 8190
limit_request_fields = 100
limit_request_field_size = 8190

# The application decides by the number of proxies (`TRUSTED_PROXIES`) which values of forwarded
# headers it trusts. By default, gunicorn would trust these headers in all requests from this
# machine.
forwarded_allow_ips = ''

# gunicorn would create its control socket in the user's home, at the same path for all instances.
control_socket_disable = True

# No access log: the application logs one line per request, with request id and user.
loglevel = settings['LOG_LEVEL'].lower()
# All log lines have the format of the application, which masks tokens. The application configures
# the root logger.
formatter = 'ReadableFormatter' if settings['LOG_FORMAT'] == 'readable' else 'JsonFormatter'
logconfig_dict = {
    'version': 1,
    'disable_existing_loggers': False,
    'formatters': {'ours': {'()': f'project.core.observability.logging.{formatter}'}},
    'handlers': {'stderr': {'class': 'logging.StreamHandler', 'formatter': 'ours'}},
    'loggers': {'gunicorn.error': {'handlers': ['stderr'], 'propagate': False}},
    'root': {},
}


def on_starting(server: Any) -> None:
    """Ensure that the numbers are valid and the service can use the database.

    :raises SystemExit: with one line. Then gunicorn does not start.
    """
    # Options of the command line and of GUNICORN_CMD_ARGS override the numbers of this file.
    for name, (low, high) in OPTION_BOUNDS.items():
        value = server.cfg.settings[name].get()
        if not low <= value <= high:
            option = f'--{name.replace("_", "-")}'
            raise SystemExit(
                f'Refusing to start: {option}, an option of gunicorn or of GUNICORN_CMD_ARGS, must '
                f'be a whole number from {low} to {high}, and not {value}.'
            )
    extensions = getattr(server.app.wsgi(), 'extensions', {})
    if validate := extensions.get('validate_database'):
        validate()
    if code_version := extensions.get('code_version'):
        server.log.info('Version %s', code_version())
    if start_metrics := extensions.get('start_metrics'):
        start_metrics()


def when_ready(server: Any) -> None:
    """Hide the memory of this process and its workers from the processes that decode images."""
    extensions = getattr(server.app.wsgi(), 'extensions', {})
    if protect_process := extensions.get('protect_process'):
        protect_process()


def pre_fork(server: Any, worker: Any) -> None:
    """Choose one worker of each generation that runs tasks instead of serving requests.

    gunicorn starts, monitors and stops the task worker as it does with other workers. A generation
    is the workers that have the same settings object. SIGHUP creates a new settings object and new
    workers, and the old workers stop.

    The function also sets `SHUTDOWN_DELAY` in the master. It calls a method of the worker for that,
    because this file must not import the service.
    """
    worker.delay_shutdown(server, shutdown_delay_seconds)
    worker.serves_tasks = embedded and not any(
        other.serves_tasks and other.cfg is server.cfg for other in server.WORKERS.values()
    )


def nworkers_changed(server: Any, new: int, _old: int | None) -> None:
    """Prevent gunicorn from stopping the task worker when the number of workers changes.

    If there are too many workers, gunicorn stops the oldest ones. So this function makes the task
    worker the youngest one. gunicorn includes the task worker in the number of workers. So the
    number is at least two, and one of them serves requests.
    """
    if embedded and new == 1:
        server.num_workers = 2
    for worker in server.WORKERS.values():
        if worker.serves_tasks:
            server.worker_age += 1
            worker.age = server.worker_age


def post_fork(server: Any, worker: Any) -> None:
    """Configure a new worker, and discard the database connections inherited from the master.

    If several processes shared a connection, they would receive each other's results.
    `pending_signals` contains the signals that arrive before the worker installs its signal
    handlers.
    """
    worker.pending_signals = server.SIG_QUEUE
    worker.body_timeout_seconds = body_timeout_seconds
    worker.body_min_rate = body_min_rate
    worker.bodies_per_client = bodies_per_client
    app = worker.app.wsgi()
    if database := getattr(app, 'extensions', {}).get('sqlalchemy'):
        with app.app_context():
            for engine in database.engines.values():
                engine.dispose(close=False)
    # The task worker must not start this thread: it forks, and threads do not survive a fork.
    readiness = getattr(app, 'extensions', {}).get('readiness')
    if readiness and not worker.serves_tasks:
        readiness.watch()
    export_metrics = getattr(app, 'extensions', {}).get('export_metrics')
    if export_metrics and not worker.serves_tasks:
        export_metrics()


def worker_exit(server: Any, worker: Any) -> None:
    """Write the counts of deprecated routes that a worker still has in memory."""
    extensions = getattr(server.app.wsgi(), 'extensions', {})
    if deprecated_calls := extensions.get('deprecated_calls'):
        deprecated_calls.flush()
