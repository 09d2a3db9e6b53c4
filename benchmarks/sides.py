"""The two compared applications: their preparation, start and equivalent requests."""

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import ClassVar

from argon2 import PasswordHasher

from benchmarks import seed
from benchmarks.databases import Database
from benchmarks.servers import Server, base_environ, gunicorn, serving

USERNAME = 'bench'
EMAIL = 'bench@example.org'

# The default hash parameters of the service. Both applications use them, so their logins are
# comparable.
HASH = {'time_cost': 2, 'memory_cost': 19 * 1024, 'parallelism': 1}


@dataclass
class Side(ABC):
    """One of the two compared applications.

    Call `prepare` once; then `serve`, any number of times.
    """

    # The path for uploads, and the form field that contains the file. If the field is None, the
    # request body is the file.
    upload_path: ClassVar[str]
    form_field: ClassVar[str | None]

    database: Database
    folder: Path
    workers: int
    name: str = ''
    token: str = ''
    password: str = ''

    @abstractmethod
    def prepare(self) -> None:
        """Create the tables, and a user who can log in and has all needed permissions."""

    @abstractmethod
    def grow(self, rows: int) -> None:
        """Insert users until the database has `rows` users."""

    @abstractmethod
    def serve(self, files: Path) -> AbstractContextManager[Server]:
        """Return a context manager that runs the server with uploads in the folder `files`."""

    @abstractmethod
    def last_page(self, rows: int, limit: int) -> str:
        """Return the path of the last page of the list of all users."""

    def environ(self, files: Path) -> dict[str, str]:
        """Return the environment variables with the same values for both servers."""
        places = {'TMPDIR': files / 'tmp', 'XDG_RUNTIME_DIR': self.folder / self.name}
        for place in places.values():
            place.mkdir(parents=True, exist_ok=True)
        return base_environ() | {name: str(place) for name, place in places.items()}


@dataclass
class Naive(Side):
    """The naive application, with sync workers and the default configuration of gunicorn."""

    name: str = 'naive'
    upload_path: ClassVar[str] = '/api/v1/files'
    form_field: ClassVar[str | None] = 'file'

    def prepare(self) -> None:
        self.token, self.password = token_hex(32), token_hex(16)
        os.environ['DATABASE_URL'] = self._database_url()
        from benchmarks import naive

        with naive.create_app().app_context():
            naive.db.create_all()
            naive.db.engine.dispose()
        with self.database.connect() as connection:
            connection.execute(
                'INSERT INTO users (username, email, email_key, name, bio, status, version, role,'
                ' password_hash, created_at, updated_at)'
                " VALUES (%s, %s, %s, '', '', 'active', 1, 'admin', %s, now(), now())",
                [USERNAME, EMAIL, EMAIL, PasswordHasher(**HASH).hash(self.password)],
            )
            connection.execute(
                'INSERT INTO tokens (token_hash, user_id, expires_at)'
                " VALUES (%s, 1, now() + interval '1 day')",
                [hashlib.sha256(self.token.encode()).hexdigest()],
            )
            connection.execute("ALTER TABLE users ALTER role SET DEFAULT 'member'")
            connection.execute("ALTER TABLE users ALTER password_hash SET DEFAULT ''")

    def grow(self, rows: int) -> None:
        seed.grow(self.database, rows)

    @contextmanager
    def serve(self, files: Path) -> Iterator[Server]:
        uploads = files / self.name
        uploads.mkdir(parents=True, exist_ok=True)
        places = {'DATABASE_URL': self._database_url(), 'FILES_DIR': str(uploads)}
        # `--timeout` is the only tuning: on a slow disk, gunicorn must not kill a worker.
        command = gunicorn(f'--workers={self.workers}', '--bind=127.0.0.1:{port}', '--timeout=600')
        command.append('benchmarks.naive:create_app()')
        log = self.folder / f'{self.name}.log'
        with serving(self.name, command, self.environ(files) | places, log) as server:
            server.token = self.token
            yield server

    def last_page(self, rows: int, limit: int) -> str:
        return f'/api/v1/users?limit={limit}&page={rows // limit}'

    def _database_url(self) -> str:
        return self.database.url.replace('postgresql://', 'postgresql+psycopg://', 1)
