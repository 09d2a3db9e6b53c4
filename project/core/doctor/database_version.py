"""The check of the version of the PostgreSQL server."""

from collections.abc import Callable, Iterator
from typing import Any

from project.core.checks import DoctorCheck, Finding, Need, Situation, State, register_check
from project.core.database.session import db

# The suite runs on the oldest version in `.ci/run`, and on the newest one in `make soak`.
OLDEST_VERSION, NEWEST_VERSION = 15, 17


def read_server_version() -> str | None:
    """Return the version that the PostgreSQL server has sent; None for another database."""
    if db.engine.dialect.name != 'postgresql':
        return None
    driver: Any = db.session.connection().connection.driver_connection
    return str(driver.info.parameter_status('server_version'))


def check_server_version(
    _situation: Situation, *, read: Callable[[], str | None] = read_server_version
) -> Iterator[Finding]:
    """Compare the version of the server with those on which the service was tested.

    :param read: returns the version, such as `15.4 (Debian 15.4-1)`, or None.
    """
    version = read()
    if version is None:
        yield Finding(State.OK, 'the database is SQLite, which is part of Python')
        return
    number, _, _ = version.partition(' ')
    major = int(''.join(char if char.isdigit() else ' ' for char in number).split()[0])
    supported = f'PostgreSQL {number}; supported: {OLDEST_VERSION} to {NEWEST_VERSION}'
    if major < OLDEST_VERSION:
        yield Finding(State.FAILED, supported)
    elif major > NEWEST_VERSION:
        yield Finding(
            State.WARNING,
            f'{supported}, the service was not tested on this version',
            'Run the tests on a server of this version (TEST_DATABASE_URL).',
        )
    else:
        yield Finding(State.OK, supported)


register_check(
    'database_version',
    DoctorCheck(
        function=check_server_version,
        needs=Need.APPLICATION,
        remedy='Upgrade the server: pg_upgrade, or pg_dump and pg_restore.',
    ),
    owner=__name__,
)
