"""How gunicorn serves us: `gunicorn -c config/gunicorn.py 'wsgi:create_app()'`.

Executed again on SIGHUP, so nothing is kept here. The application is loaded before the fork: a
refusal to start is one line and an exit, and the workers share its memory.
"""

import os
from pathlib import Path
from typing import Any

from config.base import Config
from config.loading import load_config

# With APP_CONFIG_FILE, so that a setting in it holds for gunicorn, too.
loaded = load_config(Config)
loaded.raise_faults()
settings = loaded.values

bind = f'{settings["HOST"]}:{settings["PORT"]}'
# One more process runs the tasks of the outbox, unless a broker carries them to other workers.
embedded = not settings['TASKS_BROKER_URL'] and settings['TASKS_CONCURRENCY'] > 0
# gunicorn rejects a WEB_CONCURRENCY such as `two` with a traceback, before it reads this file.
# `flask db upgrade` and `flask config check` reject it in one line.
workers = settings['WEB_CONCURRENCY'] + embedded
worker_class = 'project.core.server.worker.ApiWorker'
threads = 8
preload_app = True

# A worker proves that it lives by touching a file, which on a slow disk might take too long.
memory = Path('/dev/shm')  # noqa: S108 - the file there has no name
worker_tmp_dir = str(memory) if memory.is_dir() else None
timeout = 30
graceful_timeout = 30

# Not read in the hook below: gunicorn would restart the workers of a wrong value for ever.
body_timeout_seconds = settings['BODY_TIMEOUT']
body_min_rate = settings['BODY_MIN_RATE']
bodies_per_client = settings['BODIES_PER_CLIENT']
shutdown_delay_seconds = settings['SHUTDOWN_DELAY']

# Longer than the proxy keeps a connection, so that it never picks one that is closing.
keepalive = 20

limit_request_line = 8190
limit_request_fields = 100
limit_request_field_size = 8190

# Whose word counts about the client's address and scheme, the application decides by counting
# hops (`TRUSTED_PROXIES`); gunicorn would believe whatever comes from this machine.
forwarded_allow_ips = ''

# gunicorn would listen for commands in the user's home, at one place for all its instances.
control_socket_disable = True

# No access log: the application writes one line a request, with its id and who asked.
loglevel = settings['LOG_LEVEL'].lower()
# From the first line on, in the form of the application's log, which masks tokens. The application
# sets the root.
formatter = 'ReadableFormatter' if os.environ.get('APP_ENV') == 'development' else 'JsonFormatter'
logconfig_dict = {
    'version': 1,
    'disable_existing_loggers': False,
    'formatters': {'ours': {'()': f'project.core.observability.logging.{formatter}'}},
    'handlers': {'stderr': {'class': 'logging.StreamHandler', 'formatter': 'ours'}},
    'loggers': {'gunicorn.error': {'handlers': ['stderr'], 'propagate': False}},
    'root': {},
}


def on_starting(server: Any) -> None:
    """Refuse to start on a database that the service cannot use."""
    if validate := getattr(server.app.wsgi(), 'extensions', {}).get('validate_database'):
        validate()


def when_ready(server: Any) -> None:
    """Hide the memory of this process, and so of its workers, from image decoders."""
    extensions = getattr(server.app.wsgi(), 'extensions', {})
    if protect_process := extensions.get('protect_process'):
        protect_process()


def pre_fork(server: Any, worker: Any) -> None:
    """Let one worker of each generation serve tasks instead of requests.

    gunicorn then starts it, watches it, and ends it with the others. A generation is known by its
    settings: SIGHUP reads them anew, and the old ones are on their way out.

    Also tell the master of `SHUTDOWN_DELAY`: this file may not import the service.
    """
    worker.delay_shutdown(server, shutdown_delay_seconds)
    worker.serves_tasks = embedded and not any(
        other.serves_tasks and other.cfg is server.cfg for other in server.WORKERS.values()
    )


def nworkers_changed(server: Any, new: int, _old: int | None) -> None:
    """Make the worker for tasks the youngest: of too many, gunicorn ends the oldest.

    And keep one beside it that answers requests, which gunicorn would not know of.
    """
    if embedded and new == 1:
        server.num_workers = 2
    for worker in server.WORKERS.values():
        if worker.serves_tasks:
            server.worker_age += 1
            worker.age = server.worker_age


def post_fork(server: Any, worker: Any) -> None:
    """Forget the database connections the parent may hold, without closing them.

    Shared by several processes, one connection hands each the other's answers. And know where
    signals go that come before the worker takes them itself.
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
    # The worker for tasks forks, which threads do not survive.
    readiness = getattr(app, 'extensions', {}).get('readiness')
    if readiness and not worker.serves_tasks:
        readiness.watch()
