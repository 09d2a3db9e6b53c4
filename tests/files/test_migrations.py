"""Migrations of the feature `files` that change data."""

from uuid import UUID

import pytest
from flask import current_app
from sqlalchemy import text

from project.core.database.session import db
from tests.separate_app import application, run_on


@pytest.fixture
def run(tmp_path):
    """Return a function that runs `flask db …` on an empty database."""
    with application(tmp_path, 'migrations') as app:
        yield run_on(app)


def execute_and_commit(sql, **values):
    """Execute SQL in a transaction; return its rows."""
    with db.engine.connect() as connection, connection.begin():
        result = connection.execute(text(sql), values)
        return result.all() if result.returns_rows else []


class TestThumbnailKeys:
    """The migration that computes the storage keys of existing thumbnails, in batches."""

    FILES = [UUID(int=number << 96) for number in (1, 2, 3)]
    ROWS_OF_FILE = 4000
    COUNT = 'SELECT count(storage_key), count(*) FROM files_thumbnails'

    @pytest.fixture
    def execute(self, run):
        """Migrate to the revision before this migration; return a function that runs SQL."""
        run('upgrade', 'files@71c8d3f5e90b')
        return execute_and_commit

    def insert(self, execute):
        """Insert three files with many thumbnails. One of the thumbnails is not ready."""
        at = '2026-11-29 12:00:00+00:00'
        execute(
            'INSERT INTO users (id, username, email, email_key, name, bio, status, version,'
            " created_at, updated_at) VALUES (1, 'ada', '', '', '', '', 'active', 1, :at, :at)",
            at=at,
        )
        execute("INSERT INTO files_blobs (sha256, size, created_at) VALUES ('x', 1, :at)", at=at)
        for file_id in self.FILES:
            execute(
                'INSERT INTO files (id, owner_id, name, size, type, sha256, row_version,'
                " current_version, created_at, updated_at) VALUES (:id, 1, '', 1, '', 'x', 1, 1,"
                ' :at, :at)',
                id=file_id.hex,
                at=at,
            )
        numbers = (
            'WITH RECURSIVE numbers(number) AS (SELECT 1 UNION ALL SELECT number + 1'
            f' FROM numbers WHERE number < {self.ROWS_OF_FILE})'
        )
        execute(
            f'{numbers} INSERT INTO files_versions (file_id, number, size, type, sha256,'
            " created_at) SELECT id, number, 1, '', 'x', created_at FROM files, numbers"
        )
        execute(
            f'{numbers} INSERT INTO files_thumbnails (file_id, number, edge, state, task_id)'
            " SELECT id, number, 64, 'ready', id FROM files, numbers"
        )
        execute(
            "UPDATE files_thumbnails SET state = 'pending' WHERE file_id = :id AND number = 7",
            id=self.FILES[0].hex,
        )

    @pytest.mark.slow('inserts 12,000 thumbnails')
    def test_are_computed_by_a_second_run_after_a_failure_between_two_batches(
        self, run, execute, queries
    ):
        self.insert(execute)
        ready, rows = 3 * self.ROWS_OF_FILE - 1, 3 * self.ROWS_OF_FILE
        batches = []

        def fail_at_second_batch(statement):
            if statement.startswith('UPDATE files_thumbnails'):
                batches.append(statement)
                if len(batches) == 2:
                    raise ZeroDivisionError

        upgrade = ['db', 'upgrade', 'files@a286c27304b4']
        with queries(before=fail_at_second_batch):
            result = current_app.test_cli_runner().invoke(args=upgrade)

        assert isinstance(result.exception, ZeroDivisionError)
        # The first batch ends with its second file.
        assert execute(self.COUNT) == [(2 * self.ROWS_OF_FILE - 1, rows)]

        run('upgrade', 'files@a286c27304b4')

        assert execute(self.COUNT) == [(ready, rows)]
        [key] = execute('SELECT storage_key FROM files_thumbnails WHERE number = 2 LIMIT 1')[0]
        name = key.removeprefix('thumbnails/00/').removesuffix('/2/64')
        assert UUID(name) in self.FILES

        execute(
            "UPDATE files_thumbnails SET storage_key = 'random' WHERE storage_key = :key", key=key
        )
        run('downgrade', 'files@71c8d3f5e90b')

        assert execute('SELECT count(*) FROM files_thumbnails') == [(rows - 1,)]
