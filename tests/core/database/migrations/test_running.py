"""Migrations during traffic: retries after short waits for locks, and one process at a time."""

import pytest
from alembic.util import CommandError
from sqlalchemy.exc import OperationalError

from project.core.database.migrations import running
from project.core.database.session import db
from tests.separate_app import application


class DatabaseError(Exception):
    """An error of the driver.

    :param sqlstate: the code of the error.
    """

    def __init__(self, sqlstate: str) -> None:
        """Store the code."""
        super().__init__('canceling statement due to lock timeout\nCONTEXT: a table')
        self.sqlstate = sqlstate


class Runs:
    """Migrations that fail as often as there are codes, and then succeed."""

    def __init__(self, *codes: str) -> None:
        """Store the codes of the errors."""
        self.codes = list(codes)

    def __call__(self) -> None:
        """Raise the next error, if there is one."""
        if self.codes:
            raise OperationalError('ALTER TABLE t', None, DatabaseError(self.codes.pop(0)))


@pytest.fixture
def connection(tmp_path, monkeypatch):
    """Yield a connection to an empty database, without pauses."""
    monkeypatch.setattr(running, 'MAX_PAUSE_SECONDS', 0.0)
    with application(tmp_path, 'running'), db.engine.connect() as connection:
        yield connection


class TestRunWithRetries:
    def test_repeats_after_a_lock_timeout_and_prints_one_line(self, connection, capsys):
        runs = Runs('55P03', '40P01')

        running.run_with_retries(connection, runs)

        assert runs.codes == []
        assert capsys.readouterr().err == (
            'Waiting for a lock of another transaction, for up to 600 s.\n'
        )

    def test_raises_in_one_line_after_the_last_attempt(self, connection, monkeypatch):
        monkeypatch.setattr(running, 'MAX_WAIT_SECONDS', 0)

        with pytest.raises(CommandError) as raised:
            running.run_with_retries(connection, Runs('55P03', '55P03'))

        assert str(raised.value).startswith('canceling statement due to lock timeout (waited for 0')
        assert '\n' not in str(raised.value)

    def test_does_not_repeat_after_other_errors(self, connection):
        runs = Runs('42P01', '42P01')

        with pytest.raises(OperationalError):
            running.run_with_retries(connection, runs)

        assert len(runs.codes) == 1


class TestExclusive:
    def test_raises_while_another_process_runs_migrations(self, connection, monkeypatch):
        monkeypatch.setattr(running, 'MAX_WAIT_SECONDS', 0)

        with (
            running.exclusive(connection),
            db.engine.connect() as other,
            pytest.raises(CommandError, match='Another process still runs migrations'),
            running.exclusive(other),
        ):
            pass

        with db.engine.connect() as other, running.exclusive(other):
            pass
