"""How gunicorn serves us: `gunicorn -c config/gunicorn.py 'wsgi:create_app()'`.

Executed again on SIGHUP, so nothing is kept here. The application is loaded before the fork: a
refusal to start is one line and an exit, and the workers share its memory.
"""

import os
from pathlib import Path
from typing import Any

from dotenv import load_dotenv

# Before anything is read: the application loads it too late for what stands here.
load_dotenv(Path(__file__).resolve().parent.parent / '.env')

bind = f'{os.environ.get("HOST") or "127.0.0.1"}:{os.environ.get("PORT") or "8000"}'
workers = int(os.environ.get('WEB_CONCURRENCY') or os.cpu_count() or 1)
worker_class = 'config.workers.ApiWorker'
threads = 8
preload_app = True

# A worker proves that it lives by touching a file, which on a slow disk might take too long.
memory = Path('/dev/shm')  # noqa: S108 - the file there has no name
worker_tmp_dir = str(memory) if memory.is_dir() else None
timeout = 30
graceful_timeout = 30

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
loglevel = (os.environ.get('LOG_LEVEL') or 'info').lower()


def post_fork(server: Any, worker: Any) -> None:
    """Forget the database connections the parent may hold, without closing them.

    Shared by several processes, one connection hands each the other's answers.
    """
    app = worker.app.wsgi()
    if database := getattr(app, 'extensions', {}).get('sqlalchemy'):
        with app.app_context():
            for engine in database.engines.values():
                engine.dispose(close=False)
