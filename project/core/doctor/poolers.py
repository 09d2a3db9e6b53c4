"""The check of connection poolers between the service and PostgreSQL."""

from collections.abc import Iterator

from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from project.core.checks import (
    DoctorCheck,
    Finding,
    Need,
    Situation,
    State,
    reason_of,
    register_check,
)
from project.core.database.engines import engine_options, is_postgresql
from project.core.errors import ServiceUnavailable


def check_pooler(_situation: Situation) -> Iterator[Finding]:
    """Check that no connection pooler breaks an assumption of the service."""
    config = current_app.config
    if not is_postgresql(config):
        yield Finding(State.OK, 'SQLite needs no connections to a server')
        return
    # Imported here: the driver is only needed with PostgreSQL.
    from project.core.database.postgresql import ensure_supported_pooler

    arguments = engine_options(config)['connect_args']
    try:
        ensure_supported_pooler(config['SQLALCHEMY_DATABASE_URI'], arguments)
    except ServiceUnavailable as error:
        yield Finding(State.FAILED, str(error))
    except SQLAlchemyError as error:
        yield Finding(State.NOT_CHECKED, reason_of(error), remedy='')
    else:
        yield Finding(State.OK, 'each connection has its own database session and its options')


register_check(
    'pooler',
    DoctorCheck(
        function=check_pooler,
        needs=Need.APPLICATION,
        remedy='Connect directly, or configure it: docs/operations.md, "Connection poolers".',
    ),
    owner=__name__,
)
