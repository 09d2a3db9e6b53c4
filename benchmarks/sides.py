"""The two that are compared: how each is prepared, started, and asked for the same thing."""

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

# What the service hashes with unless it is told otherwise, so that logins differ in nothing else.
HASH = {'time_cost': 2, 'memory_cost': 19 * 1024, 'parallelism': 1}


@dataclass
class Side(ABC):
    """One of the two. It is prepared once and may then be served any number of times."""

    # Where a file is sent to, and in which field of a form; None sends it as it is.
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
        """Make the tables, one user who may do all that is measured, and their login."""

    @abstractmethod
    def grow(self, rows: int) -> None:
        """Have so many users."""

    @abstractmethod
    def serve(self, files: Path) -> AbstractContextManager[Server]:
        """Run the server, with what is uploaded under a folder, as a context manager."""

    @abstractmethod
    def last_page(self, rows: int, limit: int) -> str:
        """Return the path of the last page of a list of all users."""

    def environ(self, files: Path) -> dict[str, str]:
        """Return the part of a server's environment that is the same for both."""
        places = {'TMPDIR': files / 'tmp', 'XDG_RUNTIME_DIR': self.folder / self.name}
        for place in places.values():
            place.mkdir(parents=True, exist_ok=True)
        return base_environ() | {name: str(place) for name, place in places.items()}


@dataclass
class Naive(Side):
    """The reference, started the plain way: sync workers, nothing configured."""

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
        # The only option beyond the plain way: a slow disk must not let a worker be killed.
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
