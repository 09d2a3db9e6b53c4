"""Classification of database errors: which of them are temporary."""

import sqlite3

import pytest
from psycopg import OperationalError as PsycopgError
from psycopg import errors
from sqlalchemy.exc import DatabaseError, IntegrityError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from project.core.database import failures
from project.core.database.failures import failure_of


def sqlite_error(code):
    """Return an error of the SQLite driver with the given result code."""
    error = sqlite3.OperationalError('failed')
    error.sqlite_errorcode = code
    return OperationalError('INSERT', {}, error)


class TestFailureOf:
    @pytest.mark.parametrize(
        ('sqlstate', 'failure'),
        [
            ('08006', failures.LOST),
            ('25006', failures.READ_ONLY),
            ('25P03', failures.LOST),
            ('28P01', failures.LOST),
            ('3D000', failures.LOST),
            ('40001', failures.CONFLICT),
            ('40P01', failures.CONFLICT),
            ('53200', failures.NO_RESOURCES),
            ('53300', failures.NO_RESOURCES),
            ('53100', failures.FULL),
            ('55P03', failures.BUSY),
            ('57014', failures.CANCELED),
            ('57P01', failures.LOST),
            ('57P03', failures.LOST),
            ('58030', failures.DAMAGED),
            ('XX001', failures.DAMAGED),
            # The request or the code causes these errors: a repetition would fail again.
            ('22001', None),
            ('23505', None),
            ('25P02', None),
            ('42P01', None),
            ('54000', None),
            ('XX000', None),
        ],
    )
    def test_classifies_sqlstates_of_postgresql(self, sqlstate, failure):
        cause = errors.lookup(sqlstate)('failed')

        assert failure_of(OperationalError('INSERT', {}, cause)) is failure
        assert failure_of(InternalError('INSERT', {}, cause)) is failure
        assert failure_of(cause) is failure

    @pytest.mark.parametrize(
        ('code', 'failure'),
        [
            (sqlite3.SQLITE_BUSY_SNAPSHOT, failures.BUSY),
            (sqlite3.SQLITE_LOCKED, failures.BUSY),
            (sqlite3.SQLITE_PROTOCOL, failures.BUSY),
            (sqlite3.SQLITE_FULL, failures.FULL),
            (sqlite3.SQLITE_READONLY_DBMOVED, failures.READ_ONLY),
            (sqlite3.SQLITE_IOERR_FSYNC, failures.LOST),
            (sqlite3.SQLITE_CANTOPEN, failures.LOST),
            (sqlite3.SQLITE_NOMEM, failures.NO_RESOURCES),
            (sqlite3.SQLITE_CORRUPT, failures.DAMAGED),
        ],
    )
    def test_classifies_result_codes_of_sqlite(self, code, failure):
        assert failure_of(sqlite_error(code)) is failure

    @pytest.mark.parametrize(
        ('error', 'failure'),
        [
            (OperationalError('SELECT', {}, PsycopgError('refused')), failures.LOST),
            (OperationalError('SELECT', {}, sqlite3.OperationalError('away')), failures.LOST),
            (PoolTimeout('QueuePool limit reached'), failures.BUSY),
            (MemoryError(), failures.NO_RESOURCES),
            (DatabaseError('SELECT', {}, sqlite3.DatabaseError('odd')), None),
            (IntegrityError('INSERT', {}, sqlite3.IntegrityError('taken')), None),
            (ValueError(), None),
        ],
    )
    def test_classifies_errors_without_a_code(self, error, failure):
        assert failure_of(error) is failure
