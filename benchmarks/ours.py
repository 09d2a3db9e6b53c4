"""One of the two compared applications: this service, started as in production."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_urlsafe
from typing import ClassVar

from benchmarks import seed
from benchmarks.errors import Failed
from benchmarks.servers import ROOT, Server, gunicorn, serving
from benchmarks.sides import EMAIL, USERNAME, Side

ROLES = """
INSERT INTO users_roles (user_id, role)
SELECT n, 'member' FROM generate_series(%s::bigint, %s::bigint) AS n
"""


@dataclass
class Ours(Side):
    """The service in production mode, with request ids and a log line per request."""

    upload_path: ClassVar[str] = '/api/v1/files?name=benchmark.bin'
    form_field: ClassVar[str | None] = None

    name: str = 'ours'
    secret_key: str = field(default_factory=lambda: token_urlsafe(48), repr=False)

    def prepare(self) -> None:
        self._run('-m', 'flask', 'db', 'upgrade')
        command = ('create-user', USERNAME, '--email', EMAIL, '--admin', '--generate')
        self.password = _password(self._run('-m', 'flask', *command))

    def grow(self, rows: int) -> None:
        seed.grow(self.database, rows, also=ROLES)

    @contextmanager
    def serve(self, files: Path, **settings: str) -> Iterator[Server]:
        command = gunicorn('-c', 'config/gunicorn.py', 'wsgi:create_app()')
        log = self.folder / f'{self.name}.log'
        self._clear_storage(files)
        with serving(self.name, command, self._settings(files) | settings, log) as server:
            if not self.token:
                login = {'user_or_email': USERNAME, 'password': self.password}
                self.token = server.data('POST', '/api/v1/auth/sessions', login)['token']
            server.token = self.token
            yield server

    def _clear_storage(self, files: Path) -> None:
        """Delete the files of the previous scenario, and the database rows that refer to them.

        One of these rows is the marker of the storage. The service does not start if objects are
        missing, or if the marker in the database differs from the marker in the storage.
        """
        shutil.rmtree(files / 'storage', ignore_errors=True)
        with self.database.connect() as connection:
            connection.execute('TRUNCATE files, files_blobs, files_usage, core_values CASCADE')

    def last_page(self, rows: int, limit: int) -> str:
        cursor = self._run('-m', 'benchmarks.cursor', str(rows - limit)).strip()
        return f'/api/v1/users?limit={limit}&cursor={cursor}'

    def _settings(self, files: Path) -> dict[str, str]:
        return self.environ(files) | {
            'APP_ENV': 'production',
            'SECRET_KEY': self.secret_key,
            'DATABASE_URL': self.database.url,
            'PUBLIC_URL': 'http://127.0.0.1:{port}',
            'STORAGE_URL': f'file://{files}/storage',
            'MAIL_URL': f'file://{self.folder}/mail',
            'MAINTENANCE_FILE': f'{self.folder}/maintenance',
            'RATELIMIT_ENABLED': 'false',
            # Only requests are measured, and the naive application has no tasks.
            'TASKS_CONCURRENCY': '0',
            'WEB_CONCURRENCY': str(self.workers),
            'HOST': '127.0.0.1',
            'PORT': '{port}',
        }

    def _run(self, *arguments: str) -> str:
        environ = self._settings(self.folder) | {'PUBLIC_URL': 'http://127.0.0.1', 'PORT': '8000'}
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise Failed(f'{" ".join(arguments)}: {done.stderr[-1000:]}')
        return done.stdout


def _password(printed: str) -> str:
    """Return the generated password from the output of `create-user`."""
    found = re.search(r'^Password: (\S+)$', printed, re.MULTILINE)
    if not found:
        raise Failed(f'create-user printed no password: {printed[-300:]!r}')
    return found[1]
