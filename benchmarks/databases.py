"""The two databases of a run: creation, CPU time and removal."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from benchmarks import measure

DEFAULT_URL = 'postgresql://postgres@127.0.0.1:5432/postgres'
LOCK = 0x62656E6368  # one run per server: two runs would drop each other's databases


def server_url() -> str:
    return os.environ.get('BENCH_DATABASE_URL', DEFAULT_URL)


@dataclass
class Database:
    """A database of the run. The connection `watch` reads statistics of the database server."""

    name: str
    url: str
    watch: psycopg.Connection

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url, autocommit=True)

    def cpu(self) -> dict[int, float] | None:
        """Return the CPU seconds of each PostgreSQL backend of this database, by process id.

        :returns: None if the database server is on another machine.
        """
        query = 'SELECT pid FROM pg_stat_activity WHERE datname = %s'
        pids = [pid for (pid,) in self.watch.execute(query, [self.name])]
        return measure.cpu_by_pid(pids, 'postgres') if _is_local(self.watch) else None

    def cpu_since(self, before: dict[int, float] | None) -> float | None:
        """Return the CPU seconds that the backends used since `before`, a result of `cpu`.

        Parallel workers of queries are not included.
        """
        after = self.cpu()
        if before is None or after is None:
            return None
        return sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())

    def size(self) -> str:
        query = 'SELECT pg_size_pretty(pg_database_size(%s))'
        return self.watch.execute(query, [self.name]).fetchone()[0]


@contextmanager
def databases(*names: str) -> Iterator[list[Database]]:
    """Create databases, and drop them when the context exits.

    If an interrupted run has left databases with these names, they are dropped first.
    """
    with psycopg.connect(server_url(), autocommit=True) as connection:
        if not connection.execute('SELECT pg_try_advisory_lock(%s)', [LOCK]).fetchone()[0]:
            raise SystemExit('Another benchmark is running on this PostgreSQL server.')
        try:
            for name in names:
                _drop(connection, name)
                connection.execute(sql.SQL('CREATE DATABASE {}').format(sql.Identifier(name)))
            yield [Database(name, _url_of(name), connection) for name in names]
        finally:
            for name in names:
                _drop(connection, name)


def version(connection: psycopg.Connection) -> str:
    return connection.execute('SHOW server_version').fetchone()[0].split()[0]


def _drop(connection: psycopg.Connection, name: str) -> None:
    drop = sql.SQL('DROP DATABASE IF EXISTS {} WITH (FORCE)')
    connection.execute(drop.format(sql.Identifier(name)))


def _url_of(name: str) -> str:
    return urlunsplit(urlsplit(server_url())._replace(path=f'/{name}'))


def _is_local(connection: psycopg.Connection) -> bool:
    return measure.process_name(connection.info.backend_pid) == 'postgres'
