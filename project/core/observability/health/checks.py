"""The health checks of the core: database, storage, free space and Redis."""

from collections.abc import Iterator

from flask import current_app
from sqlalchemy import inspect, select
from sqlalchemy.exc import SQLAlchemyError

from project.core.checks import (
    CheckResult,
    Finding,
    HealthCheck,
    State,
    ping_redis,
    reason_of,
    register_check,
)
from project.core.database.engines import is_in_memory
from project.core.database.failures import LOST, failure_of
from project.core.database.session import db
from project.core.database.shared_values import SharedValue
from project.core.database.write_probe import probe_write
from project.core.errors import InsufficientStorage
from project.core.storage import storage

from .inspections import inspect_free_space, round_trip_fault
from .storage_identity import identify_storage


def check_database() -> CheckResult:
    """Check the database by a write.

    :returns: `ok`, or the kind of failure, such as `read_only`, `full` or `busy`.
    """
    try:
        if is_in_memory(db.engine):
            db.session.execute(select(1))
        else:
            probe_write()
    except SQLAlchemyError as error:
        return _database_failure(error)
    return CheckResult()


def _database_failure(error: SQLAlchemyError) -> CheckResult:
    try:
        is_migrated = inspect(db.engine).has_table(SharedValue.__tablename__)
    except SQLAlchemyError:
        is_migrated = True
    if not is_migrated:
        # The database responds, only the table is missing. The check of the migrations then returns
        # `behind`.
        return CheckResult()
    failure = failure_of(error) or LOST
    return CheckResult(failure.state, reason=reason_of(error))


def check_storage() -> CheckResult:
    """Check that the storage belongs to the database and accepts writes.

    :returns: `ok`, `missing` (no marker), `foreign` (another marker) or `full`.
    """
    try:
        found = identify_storage()
    except SQLAlchemyError:
        # The database failed, which its own check reports. The storage may be fine.
        found = CheckResult()
    if found.state != 'ok':
        return found
    try:
        storage().check_health()
    except InsufficientStorage as error:
        return CheckResult('full', reason=reason_of(error))
    return found


def inspect_storage() -> Iterator[Finding]:
    """Store a small object, read it and a range of it, and delete it.

    If the storage does not belong to the database, nothing is stored in it.
    """
    found = check_storage()
    if found.state != 'ok':
        yield Finding(State.FAILED, f'{found.state}: {found.reason}')
    elif fault := round_trip_fault(storage()):
        yield Finding(State.FAILED, fault)
    else:
        yield Finding(State.OK, 'stored an object, read it and a range of it, and deleted it')


def check_free_space() -> CheckResult:
    """Check the free disk space: `low` means that uploads are rejected for lack of space."""
    folder = storage().reserve.find_full()
    if folder is None:
        return CheckResult()
    return CheckResult('low', reason=f'STORAGE_MIN_FREE: uploads are rejected; disk of {folder}')


def check_redis() -> CheckResult:
    """Ping the Redis server that counts requests for the rate limits.

    :raises ServiceUnavailable: if it does not respond. Each process then counts its own requests
        only.
    """
    ping_redis(current_app.config['REDIS_URL'])
    return CheckResult()


register_check(
    'database',
    HealthCheck(
        function=check_database,
        is_critical=True,
        remedy='Start the database, or correct DATABASE_URL: docs/operations.md, "Health".',
    ),
    owner=__name__,
)
# If the storage is full, the service still handles downloads, logins and deletions.
register_check(
    'storage',
    HealthCheck(
        function=check_storage,
        is_critical=True,
        degraded_states=frozenset({'full'}),
        inspect=inspect_storage,
        remedy='Correct STORAGE_URL, mount the volume, or repair the server: docs/operations.md, '
        '"The marker of the storage".',
    ),
    owner=__name__,
)
register_check(
    'free_space',
    HealthCheck(
        function=check_free_space,
        inspect=inspect_free_space,
        remedy='Delete files, enlarge the disk, or lower STORAGE_MIN_FREE.',
    ),
    owner=__name__,
)
register_check(
    'redis',
    HealthCheck(
        function=check_redis,
        is_configured=lambda config: bool(config['REDIS_URL']),
        remedy='Start Redis, or correct REDIS_URL.',
    ),
    owner=__name__,
)
