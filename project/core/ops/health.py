"""`/healthz` and `/readyz`: does the process serve, and has it everything that it needs?"""

import time
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Blueprint, Flask, Response, current_app
from marshmallow import Schema, fields
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from project.core.data.database import db
from project.core.data.migrations import migrate
from project.core.data.storage import storage
from project.core.errors import Unavailable
from project.core.web.access import public
from project.core.web.endpoint import endpoint
from project.core.web.jsend import api_error

health = Blueprint('health', __name__)

CACHED_FOR = 1.0  # seconds: asking for readiness must not become a way to load the database


class ReadinessSchema(Schema):
    """The state of everything we need: `ok` once we serve."""

    database = fields.Str()
    migrations = fields.Str()
    storage = fields.Str()


class NotReady(Unavailable):
    """Something that we need does not work."""


@health.get('/healthz')
@endpoint(allow=public)
def healthz() -> None:
    """Whether the process serves. Touches nothing, and answers during maintenance too."""


@health.get('/readyz')
@endpoint(allow=public, returns=ReadinessSchema)
def readyz() -> Response | dict[str, str]:
    """Whether database, migrations and storage work; 503 with the state of each if one does not."""
    states = _cached_states()
    if all(state == 'ok' for state in states.values()):
        return states
    message = ', '.join(f'{name}: {state}' for name, state in states.items())
    return api_error(message, 503, {'Retry-After': '5'})


def init_app(app: Flask) -> None:
    """Mount both beside the API."""
    app.extensions['readiness'] = (0.0, {})
    app.register_blueprint(health)


def _cached_states() -> dict[str, str]:
    checked, states = current_app.extensions['readiness']
    if time.monotonic() - checked > CACHED_FOR or not states:
        states = {name: _state(check) for name, check in CHECKS.items()}
        current_app.extensions['readiness'] = (time.monotonic(), states)
    known: dict[str, str] = states
    return known


def _state(check: Any) -> str:
    try:
        check()
    except (Unavailable, SQLAlchemyError) as error:
        current_app.logger.warning('not ready: %s', error)
        return 'behind' if isinstance(error, NotReady) else 'down'
    return 'ok'


def check_database() -> None:
    """Refuse when the database does not answer."""
    db.session.execute(select(1))


def check_migrations() -> None:
    """Refuse with NotReady when the database is not at the head of every branch."""
    script = ScriptDirectory.from_config(migrate.get_config())
    with db.engine.connect() as connection:
        heads = MigrationContext.configure(connection).get_current_heads()
    if {r.revision for r in script.iterate_revisions(heads, 'base')} != _all_revisions(script):
        raise NotReady('migrations are behind')


def check_storage() -> None:
    """Refuse with Unavailable when nothing can be stored."""
    storage().check()


def _all_revisions(script: ScriptDirectory) -> set[str]:
    return {revision.revision for revision in script.walk_revisions()}


CHECKS = {
    'database': check_database,
    'migrations': check_migrations,
    'storage': check_storage,
}
